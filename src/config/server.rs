//! `[directory]` for an LDAP server (RFC 4511): how it is reached, and as whom.

use std::fmt;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::fault::{Fault, quoted};
use super::files::{Password, readable, with_password};
use super::table::Table;
use super::url::Location;
use super::value::{DN, FILE, TIMEOUT};
use crate::dn::Dn;

/// An LDAP server (RFC 4511), and how it is spoken to. Its text is its URL, the port included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    /// `directory.urls` with `start_tls`, `ca_file`, `client_cert_file` and `client_key_file`.
    pub transport: Transport,
    /// `directory.bind` with `bind_dn` and `bind_password_file`.
    pub bind: Bind,
    /// `directory.timeout`: for one question, connecting and failing over included.
    pub timeout: Duration,
}

/// What carries LDAP. A host is a name or an IP address, without brackets; a port is from 1 to 65535.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transport {
    /// `ldap://` without TLS.
    Plain {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// `ldap://` with `start_tls`: TLS before anything else (RFC 4511 section 4.14).
    StartTls {
        /// The host, which the server's certificate must name.
        host: String,
        /// The port.
        port: u16,
        /// Whom to trust.
        tls: TlsFiles,
    },
    /// `ldaps://`: TLS from the first octet.
    Ldaps {
        /// The host, which the server's certificate must name.
        host: String,
        /// The port.
        port: u16,
        /// Whom to trust.
        tls: TlsFiles,
    },
    /// `ldapi://`: a Unix socket.
    Ldapi {
        /// Absolute; at most 107 octets.
        path: PathBuf,
    },
}

/// The files of TLS, in PEM. They were there and readable when the configuration was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// `directory.ca_file`: the authorities that the server's certificate may come from.
    pub ca_file: PathBuf,
    /// What this side shows of itself; none: nothing.
    pub client: Option<ClientFiles>,
}

/// A client's certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientFiles {
    /// `directory.client_cert_file`
    pub certificate: PathBuf,
    /// `directory.client_key_file`
    pub key: PathBuf,
}

/// As whom to log in (RFC 4513 section 5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Bind {
    /// As nobody.
    Anonymous,
    /// With a name and a password.
    Simple {
        /// `directory.bind_dn`, as written.
        dn: String,
        /// `directory.bind_password_file`, for [`read_password`](super::read_password); it held a password when the
        /// configuration was read.
        password_file: PathBuf,
    },
    /// With a name and a password that somebody typed: a command's, never the configuration's.
    Typed {
        /// The name, as given.
        dn: String,
        /// The password.
        password: Password,
    },
    /// As whom the transport proves: the user of the process over [`Transport::Ldapi`], else the client certificate,
    /// which is then there (SASL EXTERNAL, RFC 4422 appendix A).
    External,
}

/// Debian's bundle of all authorities (ca-certificates).
const CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// `directory.timeout`
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// RFC 3986 section 2.3: all but the unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Plain { host, port } | Self::StartTls { host, port, .. } => ("ldap", host, port),
            Self::Ldaps { host, port, .. } => ("ldaps", host, port),
            Self::Ldapi { path } => {
                return write!(f, "ldapi://{}", percent_encode(path.as_os_str().as_bytes(), ENCODED));
            }
        };
        // RFC 3986 section 3.2.2
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{host}{close}:{port}")
    }
}

impl Transport {
    /// Whether it proves who "external" is (RFC 4513 section 5.2.3).
    pub(crate) fn proves(&self) -> bool {
        match self {
            Self::StartTls { tls, .. } | Self::Ldaps { tls, .. } => tls.client.is_some(),
            Self::Ldapi { .. } => true,
            Self::Plain { .. } => false,
        }
    }

    /// Whether others could read what is said on the way.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Plain { .. }) && !self.is_local()
    }

    /// Whether what is said stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Plain { host, .. } | Self::StartTls { host, .. } | Self::Ldaps { host, .. } => {
                let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
                host == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
            Self::Ldapi { .. } => true,
        }
    }
}

/// The values of `directory.bind`.
#[derive(Clone, Copy)]
enum Method {
    Simple,
    External,
}

/// The keys that ask something of a server, where they are there and right. Wrong ones were noted.
pub(super) struct Keys {
    bind_dn: Option<Dn>,
    bind_password_file: Option<PathBuf>,
    bind: Option<Method>,
    client_cert_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
    start_tls: bool,
    ca_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
    timeout: Option<Duration>,
}

impl Keys {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let methods = [("simple", Method::Simple), ("external", Method::External)];
        Self {
            bind_dn: table.text("bind_dn", &DN),
            bind_password_file: table.text("bind_password_file", &FILE),
            bind: table.choice("bind", &methods),
            client_cert_file: table.text("client_cert_file", &FILE),
            client_key_file: table.text("client_key_file", &FILE),
            start_tls: table.flag("start_tls").unwrap_or(false),
            ca_file: table.text("ca_file", &FILE),
            allow_plaintext: table.flag("allow_plaintext").unwrap_or(false),
            timeout: table.text("timeout", &TIMEOUT),
        }
    }

    /// Refuses every key, for the directory is a file. Flags that are false ask nothing.
    pub(super) fn refuse(&self, table: &Table<'_>) {
        let asked = [
            ("bind_dn", self.bind_dn.is_some()),
            ("bind_password_file", self.bind_password_file.is_some()),
            ("bind", self.bind.is_some()),
            ("client_cert_file", self.client_cert_file.is_some()),
            ("client_key_file", self.client_key_file.is_some()),
            ("start_tls", self.start_tls),
            ("ca_file", self.ca_file.is_some()),
            ("allow_plaintext", self.allow_plaintext),
            ("timeout", self.timeout.is_some()),
        ];
        for (key, _) in asked.iter().filter(|(_, asked)| *asked) {
            contradict(table, key, "it is for LDAP servers, and directory.urls names a file", "remove it");
        }
    }
}

/// A server's keys being read.
pub(super) struct Reader<'r, 'd> {
    pub(super) table: &'r Table<'d>,
    pub(super) keys: &'r Keys,
    /// Where relative paths start.
    pub(super) start: &'r Path,
}

impl Reader<'_, '_> {
    /// The servers at these locations. None: something is wrong, which was noted.
    pub(super) fn servers(&self, locations: Vec<Location>) -> Option<Vec<Server>> {
        if !self.table.has("base_dn") {
            self.table.complain("base_dn", Fault::Missing { allowed: format!("are {}", DN.allowed) });
        }
        self.refuse_unused(&locations);
        let tls = if locations.iter().any(|location| self.has_tls(location)) { self.tls() } else { None };
        let transports = locations.into_iter().map(|location| self.transport(location, tls.as_ref()));
        let transports = transports.collect::<Option<Vec<_>>>()?;
        transports.iter().for_each(|transport| self.refuse_numbered(transport));
        let bind = self.bind(&transports)?;
        let timeout = self.keys.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let server = |transport| Server { transport, bind: bind.clone(), timeout };
        Some(transports.into_iter().map(server).collect())
    }

    fn has_tls(&self, location: &Location) -> bool {
        match location {
            Location::File(_) | Location::Ldapi { .. } => false,
            Location::Ldap { .. } => self.keys.start_tls,
            Location::Ldaps { .. } => true,
        }
    }

    /// None: it has TLS, and whom to trust cannot be read.
    fn transport(&self, location: Location, tls: Option<&TlsFiles>) -> Option<Transport> {
        match location {
            Location::File(_) => None,
            Location::Ldap { host, port } if self.keys.start_tls => {
                Some(Transport::StartTls { host, port, tls: tls?.clone() })
            }
            Location::Ldap { host, port } => Some(Transport::Plain { host, port }),
            Location::Ldaps { host, port } => Some(Transport::Ldaps { host, port, tls: tls?.clone() }),
            Location::Ldapi { path } => Some(Transport::Ldapi { path }),
        }
    }

    /// Refuses TLS with an IPv6 address: ldap3 looks for its brackets, too, in the certificate.
    fn refuse_numbered(&self, transport: &Transport) {
        let (Transport::StartTls { host, .. } | Transport::Ldaps { host, .. }) = transport else { return };
        if host.contains(':') {
            let what = format!("TLS with {}, an IPv6 address, is", named(transport));
            self.table.complain("urls", Fault::NotYet { what, instead: "write the name of the server" });
        }
    }

    /// Refuses keys that none of the servers has a use for.
    fn refuse_unused(&self, locations: &[Location]) {
        let Some(first) = locations.first().map(name) else { return };
        let is_ldap = |location: &Location| matches!(location, Location::Ldap { .. });
        if self.keys.start_tls && !locations.iter().any(is_ldap) {
            let what = format!("it is for ldap://, and directory.urls names {first}");
            contradict(self.table, "start_tls", &what, "remove it");
        }
        if locations.iter().any(|location| self.has_tls(location)) {
            return;
        }
        let remedy = if locations.iter().any(is_ldap) {
            "remove it, or use ldaps:// or start_tls = true"
        } else {
            "remove it"
        };
        let files = ["ca_file", "client_cert_file", "client_key_file"];
        for key in files.iter().filter(|key| self.table.has(key)) {
            contradict(self.table, key, &format!("it is for TLS, and {first} is without"), remedy);
        }
    }

    fn tls(&self) -> Option<TlsFiles> {
        let default = || PathBuf::from(CA_FILE);
        let ca_file = self.file("ca_file", &self.keys.ca_file.clone().unwrap_or_else(default), readable);
        let pair = self.pair("client_cert_file", "client_key_file", "give both, or none of them");
        let client = match (pair, &self.keys.client_cert_file, &self.keys.client_key_file) {
            (true, Some(certificate), Some(key)) => {
                let certificate = self.file("client_cert_file", certificate, readable);
                let key = self.file("client_key_file", key, readable);
                Some(ClientFiles { certificate: certificate?, key: key? })
            }
            (true | false, _, _) => None,
        };
        Some(TlsFiles { ca_file: ca_file?, client })
    }

    fn bind(&self, transports: &[Transport]) -> Option<Bind> {
        match self.keys.bind {
            Some(Method::External) => Some(self.external(transports)),
            // What it should have been is not known, so nothing can contradict it.
            None if self.table.has("bind") => None,
            Some(Method::Simple) | None => self.simple(transports),
        }
    }

    fn external(&self, transports: &[Transport]) -> Bind {
        for key in ["bind_dn", "bind_password_file"].iter().filter(|key| self.table.has(key)) {
            let what = "it is for bind = \"simple\", and bind is \"external\", which has no name or password";
            contradict(self.table, key, what, "remove it");
        }
        let proves = |transport: &Transport| match transport {
            // Half a pair was noted.
            Transport::StartTls { .. } | Transport::Ldaps { .. } => {
                self.table.has("client_cert_file") || self.table.has("client_key_file")
            }
            Transport::Ldapi { .. } => true,
            Transport::Plain { .. } => false,
        };
        if let Some(unproven) = transports.iter().find(|transport| !proves(transport)) {
            let what = format!("nothing proves to {} who \"external\" is", named(unproven));
            let remedy = "use ldapi://, or TLS with client_cert_file and client_key_file";
            contradict(self.table, "bind", &what, remedy);
        }
        Bind::External
    }

    fn simple(&self, transports: &[Transport]) -> Option<Bind> {
        let remedy = "give both, or none of them to log in anonymously";
        if !self.pair("bind_dn", "bind_password_file", remedy) {
            // Half a pair was noted.
            return Some(Bind::Anonymous);
        }
        let tells =
            |transport: &&Transport| matches!(transport, Transport::Plain { .. }) && !transport.is_local();
        if let Some(open) = transports.iter().find(tells).filter(|_| !self.keys.allow_plaintext) {
            let what = format!("the password would go to {} without TLS", named(open));
            let remedy = "use ldaps://, or start_tls = true, or allow it with allow_plaintext = true";
            contradict(self.table, "bind_password_file", &what, remedy);
        }
        let file = self.keys.bind_password_file.as_deref();
        let password_file = file.and_then(|file| self.file("bind_password_file", file, with_password));
        Some(Bind::Simple {
            dn: self.keys.bind_dn.as_ref()?.as_str().to_owned(),
            password_file: password_file?,
        })
    }

    /// Whether both keys are there; complains if it is one alone.
    fn pair(&self, one: &str, other: &str, remedy: &'static str) -> bool {
        for (key, missing) in [(one, other), (other, one)] {
            if self.table.has(key) && !self.table.has(missing) {
                contradict(self.table, key, &format!("it needs {missing} too"), remedy);
            }
        }
        self.table.has(one) && self.table.has(other)
    }

    /// The path, if the check finds a good file there.
    fn file(&self, key: &str, path: &Path, check: fn(PathBuf) -> Result<PathBuf, Fault>) -> Option<PathBuf> {
        check(self.start.join(path)).map_err(|fault| self.table.complain(key, fault)).ok()
    }
}

/// The server as messages show it.
fn named(transport: &Transport) -> String {
    quoted(&transport.to_string())
}

/// The same for one that is not yet a transport: TLS shows in its scheme, or not at all.
fn name(location: &Location) -> String {
    let shown = match location.clone() {
        Location::File(path) => return quoted(&path),
        Location::Ldap { host, port } => Transport::Plain { host, port },
        Location::Ldaps { host, port } => {
            let tls = TlsFiles { ca_file: PathBuf::new(), client: None };
            Transport::Ldaps { host, port, tls }
        }
        Location::Ldapi { path } => Transport::Ldapi { path },
    };
    named(&shown)
}

fn contradict(table: &Table<'_>, key: &str, what: &str, remedy: &'static str) {
    table.complain(key, Fault::Contradiction { what: what.to_owned(), remedy });
}
