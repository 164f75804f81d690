//! The walk over the parts of any body: they lie within each other, and what is replaced in one leaves the others alone.

use delegation_milter::mime::{Part, Tree, walk};

use super::message::message;

/// Checks a message as `message` reads it.
pub(crate) fn check(octets: &[u8]) {
    let (fields, body) = message(octets);
    let Ok(tree) = walk(&fields, body) else { return };
    assert!(tree.parts[0].parent.is_none());
    assert_in_order(&tree, body.len());
    for (index, part) in tree.parts.iter().enumerate().take(8) {
        if is_leaf(part) && !part.body.is_empty() {
            let changed = [&body[..part.body.start], b"changed", &body[part.body.end..]].concat();
            let again = walk(&fields, &changed).expect("fewer octets cannot be too many parts");
            assert_same(&tree, body, &again, &changed, index);
        }
    }
}

fn is_leaf(part: &Part) -> bool {
    part.entity.as_ref().is_ok_and(|entity| !entity.is_multipart())
}

fn assert_in_order(tree: &Tree, length: usize) {
    let mut ends = vec![0; tree.parts.len()];
    for (index, part) in tree.parts.iter().enumerate() {
        assert!(part.body.start <= part.body.end && part.body.end <= length, "{part:?}");
        let Some(parent) = part.parent else { continue };
        assert!(parent < index && !is_leaf(&tree.parts[parent]), "{part:?}");
        let around = &tree.parts[parent].body;
        assert!(around.start <= part.body.start && part.body.end <= around.end, "{part:?} in {around:?}");
        assert!(ends[parent] <= part.body.start, "{part:?} begins ahead of {}", ends[parent]);
        ends[parent] = part.body.end;
    }
}

fn assert_same(tree: &Tree, body: &[u8], again: &Tree, changed: &[u8], index: usize) {
    assert_eq!(tree.parts.len(), again.parts.len());
    for (number, (old, new)) in tree.parts.iter().zip(&again.parts).enumerate() {
        assert_eq!((&old.entity, old.parent), (&new.entity, new.parent));
        let new_body = &changed[new.body.clone()];
        if number == index {
            assert_eq!(new_body, b"changed");
        } else if is_leaf(old) {
            assert_eq!(new_body, &body[old.body.clone()]);
        }
    }
}
