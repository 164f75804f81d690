//! The private domain controller of a test (`contrib/testbed/samba`), with Samba's and OpenLDAP's tools to ask and change
//! it. It ends with this process, whatever ends that: its standard input is ours.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use delegation_milter::grant::Sid;

use super::slapd::{Said, finish};
use super::{project, unused_path};

/// Who may do anything.
const ADMINISTRATOR: [&str; 4] = ["-D", "administrator@example.org", "-w", "Passw0rd.x"];
/// Of a security descriptor, the access list alone (MS-ADTS section 3.1.1.3.4.1.11).
const ACCESS_LIST: &str = "1.2.840.113556.1.4.801";
const MASK: &str = "::MAMCAQQ=";

/// A running domain controller.
#[derive(Debug)]
pub(crate) struct Samba {
    directory: PathBuf,
    process: Child,
}

impl Samba {
    /// Starts one, and makes the changes in these files of `tests/fixtures`, one after the other.
    pub(crate) fn start(files: &[&str]) -> Self {
        let directory = unused_path();
        let file = |name: &&str| format!("--ldif={}", project("tests/fixtures").join(name).display());
        let mut process = Command::new(project("contrib/testbed/samba"))
            .arg("run")
            .arg(&directory)
            .args(files.iter().map(file))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("contrib/testbed/samba: {error}"));
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        if lines.any(|line| line.unwrap() == "ready") {
            return Self { directory, process };
        }
        let output = process.wait_with_output().unwrap();
        panic!("no domain controller: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The lines of a milter's configuration that say where the directory is.
    pub(crate) fn source(&self) -> String {
        format!(
            "directory.urls = [\"{}\"]\ndirectory.base_dn = \"DC=example,DC=org\"\n\
             directory.bind_dn = \"CN=milter,CN=Users,DC=example,DC=org\"\n\
             directory.bind_password_file = \"{}\"\ndirectory.preset = \"active-directory\"\n",
            self.uri(),
            self.directory.join("milter.password").display()
        )
    }

    /// Adds access control entries to an object with Samba's own tool; the SDDL (MS-DTYP section 2.5.1) may name accounts
    /// in braces.
    pub(crate) fn permit(&self, dn: &str, sddl: &str) {
        let mut sddl = sddl.to_owned();
        while let Some((before, rest)) = sddl.split_once('{') {
            let (name, behind) = rest.split_once('}').unwrap();
            sddl = format!("{before}{}{behind}", self.sid(name));
        }
        let mut tool = Command::new("samba-tool");
        tool.args(["dsacl", "set", "--simple-bind-dn=administrator@example.org", "--password=Passw0rd.x"]);
        tool.args(["-H", &self.uri(), "-s"]).arg(self.directory.join("smb.conf"));
        tool.args([format!("--objectdn={dn}"), format!("--sddl={sddl}")]);
        Said::from(finish(&mut tool, "")).succeeded();
    }

    /// The security identifier of an account.
    pub(crate) fn sid(&self, name: &str) -> Sid {
        let octets = self.octets(&format!("(sAMAccountName={name})"), "objectSid");
        Sid::from_octets(&octets).unwrap()
    }

    /// The access list of an object, as a whole descriptor.
    pub(crate) fn descriptor(&self, name: &str) -> Vec<u8> {
        self.octets(&format!("(sAMAccountName={name})"), "nTSecurityDescriptor")
    }

    /// Writes an access list.
    pub(crate) fn write_descriptor(&self, dn: &str, octets: &[u8]) {
        self.modify(&Self::descriptor_change(dn, octets));
    }

    /// The change that writes it.
    pub(crate) fn descriptor_change(dn: &str, octets: &[u8]) -> String {
        let value = STANDARD.encode(octets);
        format!(
            "dn: {dn}\ncontrol: {ACCESS_LIST} true{MASK}\nchangetype: modify\nreplace: nTSecurityDescriptor\nnTSecurityDescriptor:: {value}\n"
        )
    }

    /// Applies change records as the administrator; all must succeed.
    pub(crate) fn modify(&self, ldif: &str) {
        self.tool("ldapmodify", &[], ldif);
    }

    fn octets(&self, filter: &str, attribute: &str) -> Vec<u8> {
        let control = format!("!{ACCESS_LIST}={MASK}");
        let words =
            ["-LLL", "-o", "ldif-wrap=no", "-E", &control, "-b", "DC=example,DC=org", filter, attribute];
        let answer = self.tool("ldapsearch", &words, "");
        let value = answer.lines().find_map(|line| line.strip_prefix(&format!("{attribute}:: ")));
        STANDARD.decode(value.unwrap_or_else(|| panic!("no {attribute} of {filter}: {answer}"))).unwrap()
    }

    /// Runs one of the ldap-utils as the administrator.
    fn tool(&self, name: &str, words: &[&str], input: &str) -> String {
        let mut tool = Command::new(name);
        tool.args(["-x", "-H", &self.uri()]).args(ADMINISTRATOR).args(words).env("LDAPNOINIT", "yes");
        Said::from(finish(&mut tool, input)).succeeded()
    }

    fn uri(&self) -> String {
        let socket = self.directory.join("private/ldapi");
        format!("ldapi://{}", socket.display().to_string().replace('/', "%2F"))
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read(self.directory.join("log")).unwrap_or_default();
            eprintln!("what Samba said:\n{}", String::from_utf8_lossy(&log));
        }
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
