//! The begin and the end of a database's absence, each of which the log is told once. Pure.

/// Failures in a row of which only the first is told.
#[derive(Debug, Default)]
pub(super) struct Absence {
    is_told: bool,
}

impl Absence {
    /// Notes a failure; `true` if it is the first one since the last success.
    pub(super) fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.is_told, true)
    }

    /// Notes a success; `true` if it is the first one since the last failure.
    pub(super) fn ends(&mut self) -> bool {
        std::mem::take(&mut self.is_told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_without_the_database_is_told_of_twice() {
        let mut absence = Absence::default();
        assert!(!absence.ends(), "nothing was wrong");
        let told = (0..30_000).filter(|_| absence.begins()).count();
        assert_eq!((told, absence.ends(), absence.ends()), (1, true, false));
        assert!(absence.begins(), "the next one is told of too");
    }
}
