//! LDIF.
