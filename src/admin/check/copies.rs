//! Whether copies for the principal can arrive, as far as the configuration shows it.

use super::CONFIGURATION;
use super::report::Report;
use crate::config::Config;

pub(super) fn check(config: &Config, report: &mut Report) {
    let Some(copies) = &config.rules.sent_copy else { return };
    let addresses = &config.rules.addresses;
    if let Some(extension) = copies.form.extension().filter(|own| !addresses.begins_extension(own)) {
        let text = format!(
            "sent_copy.address puts {extension} to the principal's name, which begins with none of \
             policy.recipient_delimiter: that is somebody else's address"
        );
        let advice = "begin it with a delimiter, such as +Sent, and use the same delimiters in Postfix and in the mail store";
        report.warning(CONFIGURATION, text, advice);
    }
    if !copies.form.is_ascii() {
        let text =
            "sent_copy.address is not ASCII: only messages of clients that ask for SMTPUTF8 are copied";
        report.warning(
            CONFIGURATION,
            text,
            "use ASCII; which folder it stands for is the mail store's to say",
        );
    }
}
