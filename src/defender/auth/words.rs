//! The errors of an identity library in fewer words: without its own advice, and never cut inside a command.

/// How many characters of an explanation are shown.
const SHOWN: usize = 400;

/// Returns the words of an error of the identity library in one line. A command that they name stands whole at the end.
pub(super) fn words(text: &str) -> String {
    let text = text.split("To troubleshoot, visit ").next().unwrap_or_default();
    let text = text.split_once(" authentication failed. ").map_or(text, |(_, why)| why);
    let (mut told, mut command) = (Vec::new(), None);
    for line in text.lines() {
        let at = line.find("az login").filter(|at| command.is_none() && is_command(line, *at));
        let (before, found) = line.split_at(at.unwrap_or(line.len()));
        told.extend(before.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()));
        if at.is_some() {
            command = Some(one_line(found));
        }
    }
    let told = cut(&told.join(" "));
    match command {
        Some(command) => format!("{} {command}", told.trim_end()),
        None => told,
    }
}

/// Returns whether a line ends with the command at `at`: inside quotes it is a part of a sentence.
fn is_command(line: &str, at: usize) -> bool {
    !line[..at].ends_with(['\'', '"', '`'])
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The beginning of a text, up to the end of a word.
fn cut(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(SHOWN) else { return text.to_owned() };
    let end = text[..end].rfind(' ').unwrap_or(end);
    format!("{}...", text[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librarys_own_advice_is_left_out() {
        let text = "AzureCliCredential authentication failed. az not found on PATH\nTo troubleshoot, visit https://aka.ms/x";
        assert_eq!(words(text), "az not found on PATH");
        let text = "ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret. To \
                    troubleshoot, visit https://aka.ms/x";
        assert_eq!(words(text), "AADSTS7000215: Invalid client secret.");
    }

    #[test]
    fn a_command_is_never_cut() {
        let long = "AADSTS50078: Presented multi-factor authentication has expired. ".repeat(20);
        let command = "az login --tenant 11111111-1111-1111-1111-111111111111 --scope https://x/.default";
        let text =
            format!("AzureCliCredential authentication failed. ERROR: {long}\nPlease run:\n{command}\n");
        let told = words(&text);
        assert!(told.ends_with(&format!("... {command}")), "{told}");
        assert!(told.len() < 600, "{told}");
        assert_eq!(
            words("Please run 'az login' to set up an account."),
            "Please run 'az login' to set up an account."
        );
    }
}
