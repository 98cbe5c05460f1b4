//! Values of the calls that change something, with a value in every field.

use casefile::model::{CreateAlert, Triage};

/// An alert on a machine.
pub fn alert(machine_id: &str) -> CreateAlert {
    CreateAlert {
        machine_id: machine_id.parse().unwrap(),
        severity: "Low".into(),
        title: "t".into(),
        description: "d".into(),
        recommended_action: "r".into(),
        event_time: "2018-08-03T16:45:21.7115183Z".parse().unwrap(),
        report_id: serde_json::from_str("\"20776\"").unwrap(),
        category: "Exploit".into(),
    }
}

/// A change of an alert.
pub fn triage() -> Triage {
    Triage {
        status: Some("Resolved".into()),
        assigned_to: Some("secop@contoso.com".into()),
        classification: Some("FalsePositive".into()),
        determination: Some("NotMalicious".into()),
        comment: Some("c".into()),
        mode: Default::default(),
    }
}
