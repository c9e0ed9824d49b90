//! The console in Vietnamese and in English: a language, its texts, and how values are put into them.

mod names;
mod refusals;
mod said;
mod words;

pub(crate) use words::Texts;
use words::{ENGLISH, VIETNAMESE};

/// A language of the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Language {
    #[default]
    Vietnamese,
    English,
}

impl Language {
    /// BCP 47.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::Vietnamese => "vi",
            Language::English => "en",
        }
    }

    pub(crate) fn parse(code: &str) -> Option<Language> {
        [Language::Vietnamese, Language::English].into_iter().find(|language| language.code() == code)
    }

    pub(crate) fn texts(self) -> &'static Texts {
        match self {
            Language::Vietnamese => &VIETNAMESE,
            Language::English => &ENGLISH,
        }
    }
}

/// Puts a value into a text that has a place for one.
pub(crate) fn with(text: &str, value: impl std::fmt::Display) -> String {
    text.replacen("{}", &value.to_string(), 1)
}

#[cfg(test)]
mod tests {
    use super::said::ACTS;
    use super::words::ALL;
    use super::*;

    /// Words that both languages have.
    const SAME: [&str; 7] = ["product", "p95", "p99", "rrn", "stan", "el_11", "el_37"];

    #[test]
    fn both_languages_are_complete_and_neither_stands_in_for_the_other() {
        for (name, vietnamese, english) in ALL {
            assert!(!vietnamese.trim().is_empty() && !english.trim().is_empty(), "{name}");
            assert!(vietnamese != english || SAME.contains(name), "{name} is the same in both: {english}");
            assert_eq!(vietnamese.matches("{}").count(), english.matches("{}").count(), "{name}");
            assert!(
                english
                    .chars()
                    .all(|it| !"ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ".contains(it))
                    || *name == "other_language",
                "{name} is not English: {english}"
            );
        }
    }

    #[test]
    fn every_act_that_is_recorded_has_words_in_vietnamese() {
        let sources = [
            include_str!("../people.rs"),
            include_str!("../guard.rs"),
            include_str!("../app.rs"),
            include_str!("../pages/mod.rs"),
            include_str!("../pages/cases.rs"),
            include_str!("../pages/days.rs"),
            include_str!("../pages/files.rs"),
            include_str!("../pages/log_in.rs"),
            include_str!("../pages/evidence.rs"),
            include_str!("../pages/transactions.rs"),
        ];
        for (act, vietnamese) in ACTS {
            let quoted = format!("\"{act}\"");
            assert!(sources.iter().any(|source| source.contains(&quoted)), "nobody records {act}");
            assert_eq!(VIETNAMESE.act(act), *vietnamese);
            assert_eq!(ENGLISH.act(act), *act);
        }
    }

    #[test]
    fn every_code_state_kind_and_event_has_words() {
        for texts in [&VIETNAMESE, &ENGLISH] {
            let states: std::collections::BTreeSet<&str> =
                processor::State::ALL.into_iter().map(|state| texts.state(state)).collect();
            assert_eq!(states.len(), processor::State::ALL.len() - 2, "two states wait for the disk alone");
            let events: std::collections::BTreeSet<&str> =
                processor::ALARMS.iter().map(|event| texts.event(event)).collect();
            assert_eq!(events.len(), processor::ALARMS.len());
            for code in processor::Code::FROM_BANKS {
                assert_ne!(texts.code(&code.to_string()), texts.code_other, "{code}");
            }
        }
    }
}
