//! What came of the comparisons, counted and printed.

use std::collections::BTreeMap;
use std::fmt;

use delegation_milter::mailbox::FieldError;

use super::judge::{EXCEPTIONS, Judgement};

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) values: usize,
    /// By the literal grammar.
    pub(crate) derived: usize,
    pub(crate) accepted: usize,
    /// Derived and refused, by reason.
    refused: BTreeMap<&'static str, usize>,
    readers: BTreeMap<String, Counts>,
    /// What must not be, by who found it.
    pub(crate) failures: BTreeMap<String, Vec<String>>,
}

/// Of the values that we accept, what one reader makes.
#[derive(Clone, Default)]
struct Counts {
    asked: usize,
    accepts: usize,
    same: usize,
    excepted: [usize; EXCEPTIONS.len()],
    different: usize,
}

impl Tally {
    /// Counts a reading: of a reader that refuses there is no judgement.
    pub(crate) fn count(
        &mut self,
        reader: &str,
        body: &str,
        shown: &[String],
        judgement: Option<&Judgement>,
    ) {
        let counts = self.readers.entry(reader.to_owned()).or_default();
        counts.asked += 1;
        counts.accepts += usize::from(judgement.is_some());
        match judgement {
            None => {}
            Some(Judgement::Same) => counts.same += 1,
            Some(Judgement::Excepted(exception)) => counts.excepted[*exception] += 1,
            Some(Judgement::Different) => {
                counts.different += 1;
                self.fail(reader, format!("{body:?} as {shown:?}"));
            }
        }
    }

    /// Counts a value that is derived and refused: for a reason, or without one.
    pub(crate) fn refuse(&mut self, reason: Result<&'static str, FieldError>, body: &str) {
        match reason {
            Ok(reason) => *self.refused.entry(reason).or_default() += 1,
            Err(error) => self.fail("our own reader", format!("{body:?} {error}")),
        }
    }

    pub(crate) fn fail(&mut self, finder: &str, what: String) {
        self.failures.entry(finder.to_owned()).or_default().push(what);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.values += other.values;
        self.derived += other.derived;
        self.accepted += other.accepted;
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
        for (reader, counts) in other.readers {
            self.readers.entry(reader).or_default().add(&counts);
        }
        for (finder, found) in other.failures {
            self.failures.entry(finder).or_default().extend(found);
        }
    }

    pub(crate) fn shown_failures(&self, most: usize) -> String {
        let kinds = self.failures.iter().map(|(finder, found)| {
            let shown: Vec<_> = found.iter().take(most).map(|what| format!("  {what}\n")).collect();
            format!("{finder}, {} times:\n{}", found.len(), shown.concat())
        });
        kinds.collect()
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.accepts += other.accepts;
        self.same += other.same;
        self.different += other.different;
        for (sum, count) in self.excepted.iter_mut().zip(other.excepted) {
            *sum += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: usize = self.refused.values().sum();
        writeln!(f, "{:9} values", self.values)?;
        writeln!(f, "{:9} accepted by our reader", self.accepted)?;
        writeln!(f, "{:9} derived by the grammar; of these refused, by reason:", self.derived)?;
        writeln!(f, "{refused:9}   in all")?;
        for (reason, count) in &self.refused {
            writeln!(f, "{count:9}   {reason}")?;
        }
        let names = EXCEPTIONS.each_ref().map(|exception| format!("{:>14}", exception.name)).concat();
        writeln!(
            f,
            "\n{:26}{:>9}{:>9}{:>9}{names}{:>11}",
            "of those accepted", "read", "accepted", "the same", "different"
        )?;
        for (reader, counts) in &self.readers {
            let excepted = counts.excepted.map(|count| format!("{count:14}")).concat();
            let Counts { asked, accepts, same, different, .. } = counts;
            writeln!(f, "{reader:26}{asked:9}{accepts:9}{same:9}{excepted}{different:11}")?;
        }
        writeln!(f)?;
        EXCEPTIONS.iter().try_for_each(|exception| writeln!(f, "{}: {}", exception.name, exception.why))
    }
}
