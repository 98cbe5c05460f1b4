// Looks at pages with a browser; see scripts/report-look, which gives it its folders.
import { createRequire } from "node:module";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const { BROWSER, PAGES, OUT, PICTURE } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({ executablePath: BROWSER, args: ["--no-sandbox", "--force-color-profile=srgb"] });
const problems = [];

async function look(name, width, scheme) {
    const page = await browser.newPage();
    const where = `${name} ${width} ${scheme}`;
    const url = `file://${join(PAGES, name)}`;
    page.on("request", (request) => {
        if (request.url() !== url) problems.push(`${where}: asks for ${request.url()}`);
    });
    page.on("dialog", async (dialog) => {
        problems.push(`${where}: a script ran: ${dialog.message()}`);
        await dialog.dismiss();
    });
    page.on("pageerror", (error) => problems.push(`${where}: ${error}`));
    page.on("console", (message) => problems.push(`${where}: ${message.text()}`));
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.setViewport({ width, height: 900 });
    await page.goto(url, { waitUntil: "load" });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wide > 0) problems.push(`${where}: ${wide} px wider than the window`);
    const elements = await page.evaluate(() => document.querySelectorAll("script,img,iframe,object,base,form,link,foreignObject").length);
    if (elements > 0) problems.push(`${where}: ${elements} elements that no page of ours has`);
    await page.evaluate(axe);
    const found = await page.evaluate(async () => (await window.axe.run()).violations);
    for (const v of found) {
        problems.push(`${where}: axe: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html).join(" ")}`);
    }
    return page;
}

const names = PICTURE ? ["usual.html"] : readdirSync(PAGES).filter((n) => n.endsWith(".html"));
for (const name of names) {
    for (const width of [1280, 390]) {
        for (const scheme of ["light", "dark"]) {
            const page = await look(name, width, scheme);
            if (name === "usual.html") {
                await page.screenshot({ path: join(OUT, `${width}-${scheme}.png`), fullPage: true });
            }
            if (name === "usual.html" && PICTURE && width === 1280) {
                await page.setViewport({ width: 1120, height: 1240 });
                const picture = await page.screenshot({ clip: { x: 0, y: 0, width: 1120, height: 1240 } });
                writeFileSync(scheme === "light" ? PICTURE : PICTURE.replace(".png", "-dark.png"), picture);
            }
            if (["usual.html", "large.html"].includes(name) && width === 1280 && scheme === "dark") {
                await page.pdf({ path: join(OUT, name.replace("html", "pdf")), preferCSSPageSize: true, printBackground: true });
            }
            await page.close();
        }
    }
}
await browser.close();
if (problems.length > 0) {
    console.log(problems.join("\n"));
    process.exit(1);
}
console.log(`${names.length} pages of reports: nothing to find`);
