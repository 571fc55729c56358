//! Every number of every round.

use serde_json::{Map, Value, json};

use crate::results::Results;

/// The whole document.
pub fn document(results: &Results) -> String {
    let conditions = &results.conditions;
    let mut sections = Map::new();
    for section in &results.sections {
        let mut columns = Map::new();
        for column in &section.columns {
            let values = column
                .values
                .iter()
                .map(|(metric, values)| {
                    let entry = json!({ "unit": metric.unit(), "rounds": values });
                    (metric.key(), entry)
                })
                .collect();
            columns.insert(column.name.clone(), Value::Object(values));
        }
        sections.insert(section.key.into(), Value::Object(columns));
    }
    let whole = json!({
        "date": conditions.date,
        "command": conditions.command,
        "processor": conditions.processor,
        "kernel": conditions.kernel,
        "qemu": conditions.qemu,
        "machine": conditions.machine,
        "percent": results.percent.unwrap_or(100),
        "notes": results.notes,
        "sections": sections,
    });
    format!("{whole:#}\n")
}
