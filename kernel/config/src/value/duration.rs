//! Times: numbers with units, largest unit first: `30s`, `5m`, `2h4m`, `1d12h`.

use alloc::format;
use core::time::Duration;

use super::decimal;
use crate::excerpt::quoted;
use crate::findings::Fault;

/// The units and their seconds, largest first.
const UNITS: [(u8, u64); 4] = [(b'd', 86_400), (b'h', 3_600), (b'm', 60), (b's', 1)];

/// The shortest time that any key takes.
pub(crate) const SHORTEST: Duration = Duration::from_secs(1);

/// The longest time that any key takes.
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// Reads a time from [`SHORTEST`] to [`LONGEST`].
pub(crate) fn parse(text: &str) -> Result<Duration, Fault> {
    if decimal::<u64>(text).is_some() {
        return Err(Fault::new(format!("the time {} has no unit", quoted(text)))
            .help(format!("write {text}s for seconds, {text}m for minutes")));
    }
    let Some(seconds) = seconds(text) else {
        return Err(Fault::new(format!("{} is not a time", quoted(text)))
            .help("write numbers with the units d, h, m, s, largest first: \"30s\", \"2h4m\""));
    };
    let duration = Duration::from_secs(seconds);
    if duration < SHORTEST || duration > LONGEST {
        return Err(
            Fault::new(format!("the time {} is out of range", quoted(text)))
                .help("times go from \"1s\" to \"30d\""),
        );
    }
    Ok(duration)
}

fn seconds(text: &str) -> Option<u64> {
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = decimal(rest.get(..digits)?)?;
        let unit = *rest.as_bytes().get(digits)?;
        // Going on from the last unit found keeps them in order and each at most once.
        let (_, factor) = units.find(|(letter, _)| *letter == unit)?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = rest.get(digits + 1..)?;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_added_up() {
        for (text, expected) in [
            ("1s", 1),
            ("5m", 300),
            ("2h4m", 7440),
            ("12h", 43_200),
            ("1d2h3m4s", 93_784),
            ("30d", 2_592_000),
        ] {
            let parsed = parse(text).map(|duration| duration.as_secs());
            assert_eq!(parsed.ok(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "4m2h",
            "1m1m",
            "05m",
            "-5m",
            "+5m",
            "1.5h",
            "5min",
            "0s",
            "31d",
            "5mä",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
