//! Reads the objects of a calendar, and says which of its properties must change.

use std::collections::HashMap;
use std::ops::Range;

use super::edit::{Edit, edit};
use super::property::{Property, name};
use super::text::{Line, Text};
use super::{Actor, CalendarError, Component, Method, SentBy};
use crate::address::Address;

/// Components within components: RFC 5545 needs three.
const MAX_DEPTH: usize = 8;

/// Components, ORGANIZER and ATTENDEE properties, and values of SENT-BY that are read: a meeting of hundreds with dozens
/// of overrides has some ten thousand. Each takes up to 1 KiB while a message is judged, fifty times its octets, and
/// microseconds when it is changed.
pub const MAX_SIZE: usize = 30_000;

/// What a calendar says of who acts.
#[derive(Clone, Debug)]
pub struct Calendar {
    objects: Vec<Object>,
    components: Vec<Component>,
    lines: Vec<PartyLine>,
    /// How many values of SENT-BY the lines have.
    sent_by: usize,
    clear: bool,
    /// Whether some readers show another address of an attendee than the one that is read.
    two_addresses: bool,
}

/// One VCALENDAR.
#[derive(Clone, Debug)]
struct Object {
    method: Option<Method>,
    /// Its components among all.
    components: Range<usize>,
}

/// Where an ORGANIZER or ATTENDEE stands.
#[derive(Clone, Debug)]
struct PartyLine {
    line: Line,
    role: Actor,
    component: usize,
    address: Option<Address>,
}

impl Calendar {
    /// Reads all objects. The `parameter` of Content-Type counts for one that has no METHOD (RFC 6047 section 2.4).
    pub fn read(text: &Text<'_>, parameter: Option<Method>) -> Result<Self, CalendarError> {
        let mut reader = Reader {
            text,
            open: Vec::new(),
            current: None,
            calendar: Self {
                objects: Vec::new(),
                components: Vec::new(),
                lines: Vec::new(),
                sent_by: 0,
                clear: true,
                two_addresses: false,
            },
        };
        for line in text.lines() {
            reader.line(line)?;
        }
        let mut calendar = reader.finish()?;
        // Readers that pass over the charset find another calendar in the octets of characters beyond ASCII.
        calendar.clear &= only_text(text) && text.width() == 1;
        for object in &mut calendar.objects {
            calendar.clear &= object.method.is_some() || parameter.is_none();
            object.method = object.method.or(parameter);
            let attendee_acts = object.method.and_then(Method::actor) == Some(Actor::Attendee);
            calendar.clear &= !(attendee_acts && calendar.two_addresses);
            for component in calendar.components.get_mut(object.components.clone()).unwrap_or_default() {
                component.method = object.method.unwrap_or(Method::Other);
            }
        }
        Ok(calendar)
    }

    /// The METHOD of each object.
    pub fn methods(&self) -> impl Iterator<Item = Option<Method>> {
        self.objects.iter().map(|object| object.method)
    }

    /// How many objects, components, organizers, attendees and values of SENT-BY it has.
    pub fn size(&self) -> usize {
        self.objects.len() + self.components.len() + self.lines.len() + self.sent_by
    }

    /// Whether it is written so that every reader must read the same.
    pub fn is_clear(&self) -> bool {
        self.clear
    }

    /// The components of objects that have a METHOD.
    pub fn into_components(self) -> impl Iterator<Item = Component> {
        let with_method: Vec<_> =
            self.objects.into_iter().filter(|o| o.method.is_some()).map(|o| o.components).collect();
        let mut objects = with_method.into_iter().peekable();
        self.components.into_iter().enumerate().filter_map(move |(index, component)| {
            while objects.next_if(|components| components.end <= index).is_some() {}
            objects.peek().is_some_and(|components| components.contains(&index)).then_some(component)
        })
    }

    /// What must change in the same `text`: ascending, without overlap.
    pub fn edits(&self, text: &Text<'_>, changes: &[(Address, SentBy)]) -> Vec<Edit> {
        let changes: HashMap<_, _> = changes.iter().map(|(address, change)| (address, change)).collect();
        let mut edits = Vec::new();
        for object in self.objects.iter().filter(|object| object.method.is_some()) {
            let lines = self.lines_of(&object.components);
            for of_component in lines.chunk_by(|a, b| a.component == b.component) {
                self.edit_component(text, of_component, &changes, &mut edits);
            }
        }
        edits
    }

    /// The properties of some components, which stand together.
    fn lines_of(&self, components: &Range<usize>) -> &[PartyLine] {
        let index = |component| self.lines.partition_point(|line| line.component < component);
        self.lines.get(index(components.start)..index(components.end)).unwrap_or_default()
    }

    fn edit_component(
        &self,
        text: &Text<'_>,
        lines: &[PartyLine],
        changes: &HashMap<&Address, &SentBy>,
        edits: &mut Vec<Edit>,
    ) {
        let Some(component) = lines.first().and_then(|line| self.components.get(line.component)) else {
            return;
        };
        // One principal may act under one address and attend under another.
        let named = |address: &Address| matches!(changes.get(address), Some(SentBy::Set(_)));
        let acts = component.acting().any(named);
        for line in lines {
            let Some(address) = &line.address else { continue };
            let change = changes.get(address).filter(|change| match change {
                SentBy::Set(_) => acts && component.shows_delegate(line.role),
                SentBy::Remove => true,
            });
            // A line that was read once is read again.
            if let Some(change) = change
                && let Ok(Some(edit)) = edit(text, &line.line, change)
            {
                edits.push(edit);
            }
        }
    }
}

impl Component {
    /// Who acts in it: a delegate is named for nobody else.
    fn acting(&self) -> impl Iterator<Item = &Address> {
        let actors = match self.method.actor() {
            Some(Actor::Organizer) => self.organizers.as_slice(),
            Some(Actor::Attendee) => &self.attendees,
            None => &[],
        };
        actors.iter().filter_map(|party| party.address.as_ref())
    }

    /// Whether the properties of a role name the delegate of who acts: what an organizer sends, the organizer's ATTENDEE
    /// does too.
    fn shows_delegate(&self, role: Actor) -> bool {
        match self.method.actor() {
            Some(Actor::Organizer) => true,
            Some(Actor::Attendee) => role == Actor::Attendee,
            None => false,
        }
    }
}

struct Reader<'t> {
    text: &'t Text<'t>,
    /// The names of the components that are open, from VCALENDAR on.
    open: Vec<String>,
    /// The component whose own properties count: one directly in a VCALENDAR.
    current: Option<usize>,
    calendar: Calendar,
}

impl Reader<'_> {
    fn line(&mut self, line: Line) -> Result<(), CalendarError> {
        if self.calendar.size() > MAX_SIZE {
            return Err(CalendarError::TooMany);
        }
        let name = name(self.text, &line);
        // A fold onto an empty line is legal, and for some readers the end of everything.
        self.calendar.clear &= line.span.is_empty() || !self.text.at(line.span.start).is_some_and(is_space);
        match name.as_deref() {
            Some("") => Ok(()),
            Some("BEGIN") => {
                let value = self.value(&line)?;
                self.begin(&value)
            }
            Some("END") => {
                let value = self.value(&line)?;
                self.end(&value)
            }
            _ if self.open.is_empty() => Err(CalendarError::Outside),
            Some("METHOD") => {
                let value = self.value(&line)?;
                self.method(&value)
            }
            Some("ORGANIZER") => self.party(line, Actor::Organizer),
            Some("ATTENDEE") => self.party(line, Actor::Attendee),
            Some(_) => Ok(()),
            // Rubbish that readers pass over, or not.
            None => {
                self.calendar.clear = false;
                Ok(())
            }
        }
    }

    /// The value of a line that says how the calendar is built.
    fn value(&mut self, line: &Line) -> Result<String, CalendarError> {
        let property = Property::read(self.text, line)?;
        self.calendar.clear &= property.is_bare();
        Ok(property.value().unwrap_or_default().to_ascii_uppercase())
    }

    fn begin(&mut self, value: &str) -> Result<(), CalendarError> {
        match (self.open.len(), value) {
            (0, "VCALENDAR") => {
                let from = self.calendar.components.len();
                self.calendar.objects.push(Object { method: None, components: from..from });
            }
            (0, _) => return Err(CalendarError::Outside),
            (_, "VCALENDAR") => return Err(CalendarError::Unbalanced),
            (1, "VTIMEZONE") => {}
            (1, _) => self.component(),
            (MAX_DEPTH, _) => return Err(CalendarError::TooDeep),
            // RFC 5545 section 3.6 nests none of these; readers that look for the line only find them.
            (_, "VEVENT" | "VTODO" | "VJOURNAL" | "VFREEBUSY") => self.calendar.clear = false,
            (_, _) => {}
        }
        self.open.push(value.to_owned());
        Ok(())
    }

    fn component(&mut self) {
        self.current = Some(self.calendar.components.len());
        let component = Component { method: Method::Other, organizers: Vec::new(), attendees: Vec::new() };
        self.calendar.components.push(component);
        if let Some(object) = self.calendar.objects.last_mut() {
            object.components.end += 1;
        }
    }

    fn end(&mut self, value: &str) -> Result<(), CalendarError> {
        if self.open.pop().is_none_or(|name| name != value) {
            return Err(CalendarError::Unbalanced);
        }
        if self.open.len() == 1 {
            self.current = None;
        }
        Ok(())
    }

    fn method(&mut self, value: &str) -> Result<(), CalendarError> {
        let (1, Some(object)) = (self.open.len(), self.calendar.objects.last_mut()) else {
            // Readers that only look for the line see it too.
            self.calendar.clear = false;
            return Ok(());
        };
        if object.method.replace(Method::parse(value)).is_some() {
            return Err(CalendarError::TwoMethods);
        }
        Ok(())
    }

    fn party(&mut self, line: Line, role: Actor) -> Result<(), CalendarError> {
        let (2, Some(index)) = (self.open.len(), self.current) else {
            // An alarm has attendees (RFC 5545 section 3.6.6), who are whom it is sent to.
            let in_alarm = self.open.last().is_some_and(|name| name == "VALARM");
            self.calendar.clear &= in_alarm && role == Actor::Attendee;
            return Ok(());
        };
        let property = Property::read(self.text, &line)?;
        let party = property.party();
        let two_addresses = !property.has_one_address(party.address.as_ref());
        // Of an attendee who does not act it does not matter, and METHOD may come later.
        self.calendar.clear &= property.clear && (role == Actor::Attendee || !two_addresses);
        self.calendar.two_addresses |= two_addresses;
        let address = party.address.clone();
        self.calendar.sent_by += party.sent_by.len();
        if let Some(component) = self.calendar.components.get_mut(index) {
            match role {
                Actor::Organizer => component.organizers.push(party),
                Actor::Attendee => component.attendees.push(party),
            }
        }
        self.calendar.lines.push(PartyLine { line, role, component: index, address });
        Ok(())
    }

    fn finish(self) -> Result<Calendar, CalendarError> {
        if !self.open.is_empty() {
            return Err(CalendarError::Unbalanced);
        }
        if self.calendar.objects.is_empty() {
            return Err(CalendarError::NoCalendar);
        }
        Ok(self.calendar)
    }
}

fn is_space(c: u8) -> bool {
    c.is_ascii_whitespace()
}

/// Whether it holds no control characters but tabs and line ends: readers break lines at different ones.
fn only_text(text: &Text<'_>) -> bool {
    let view = text.view();
    let odd = |(at, c): (usize, &u8)| match c {
        b'\t' | b'\n' => false,
        b'\r' => view.get(at + 1) != Some(&b'\n'),
        _ => c.is_ascii_control(),
    };
    !view.iter().enumerate().any(odd)
}
