//! Words in the languages of the configurations, so that each reader gets back what was meant.

/// A word of a shell.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A program and its arguments as lines of a shell: each option with its values on a line of its own.
pub(crate) fn shell_lines(words: &[String]) -> String {
    let mut text = String::new();
    for (number, word) in words.iter().enumerate() {
        if number > 0 {
            text += if word.starts_with('-') {
                " \\\n  "
            } else {
                " "
            };
        }
        text += &shell_word(word);
    }
    text
}

/// A word in a line of a systemd unit (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers").
pub(crate) fn systemd_word(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%$".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word
    } else {
        format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
    }
}

/// Text or the value of an attribute in XML.
pub(crate) fn xml(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\'' => escaped += "&apos;",
            '"' => escaped += "&quot;",
            c => escaped.push(c),
        }
        escaped
    })
}

/// A string in YAML: its double-quoted style reads all that JSON writes (YAML 1.2 section 1.2).
pub(crate) fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The value of a line in a `.vmx` file: `|` and two hexadecimal digits stand for what would end it (libvirt `src/vmx/vmx.c`).
pub(crate) fn vmx(text: &str) -> String {
    text.replace('|', "|7C").replace('"', "|22")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_a_word_back() {
        for word in ["", "plain", "a b", "it's", "$HOME `x` \"y\" \\", "a\nb"] {
            let script = format!("printf %s {}", shell_word(word));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }

    #[test]
    fn options_stand_on_lines_of_their_own() {
        let words = ["qm", "create", "100", "--name", "it's"].map(String::from);
        assert_eq!(shell_lines(&words), "qm create 100 \\\n  --name 'it'\\''s'");
    }

    #[test]
    fn each_language_has_its_own_escapes() {
        assert_eq!(systemd_word("a%b$c"), "a%%b$$c");
        assert_eq!(systemd_word(r#"a "b\"#), r#""a \"b\\""#);
        assert_eq!(
            xml("<a & 'b' \"c\">"),
            "&lt;a &amp; &apos;b&apos; &quot;c&quot;&gt;"
        );
        assert_eq!(yaml("a\"b: #"), r#""a\"b: #""#);
        assert_eq!(vmx("a|b\"c"), "a|7Cb|22c");
    }
}
