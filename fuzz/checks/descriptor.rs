//! Security descriptors from anybody: no octets end the program, and an edit changes one thing.

use delegation_milter::directory::descriptor::edit::{EditError, grant, revoke};
use delegation_milter::directory::descriptor::{Effect, Permission, SEND_AS, permissions};
use delegation_milter::grant::Sid;

/// Checks a descriptor.
pub(crate) fn check(octets: &[u8]) {
    let delegate = Sid::parse("S-1-5-21-1-2-3-9999").unwrap();
    let Ok(before) = permissions(octets, &SEND_AS) else {
        assert!(matches!(grant(octets, &delegate, &SEND_AS), Err(EditError::Unreadable(_))));
        return;
    };
    match grant(octets, &delegate, &SEND_AS) {
        Ok(Some(granted)) => {
            let mut after = permissions(&granted, &SEND_AS).unwrap();
            let own = |one: &Permission| {
                one.effect == Effect::Allow && one.specific && !one.inherited && one.sid == delegate
            };
            let new = after.iter().rposition(own).unwrap();
            after.remove(new);
            assert_eq!(after, before);
            let revoked = revoke(&granted, &delegate, &SEND_AS).unwrap().unwrap();
            assert_eq!(permissions(&revoked, &SEND_AS).unwrap(), before);
        }
        Ok(None) => {
            let revoked = revoke(octets, &delegate, &SEND_AS).unwrap().unwrap();
            assert!(permissions(&revoked, &SEND_AS).unwrap().len() < before.len());
        }
        Err(EditError::NoList | EditError::TooLarge) => {}
        Err(EditError::Unreadable(error)) => panic!("read before, and now {error}"),
    }
}
