# Files the copies that delegation-milter makes ([sent_copy] address = "{local}+Sent@{domain}") into Sent, as read.
#
# It runs before people's own scripts, which never see such a message. "Sent" in the test is the extension, and has no
# other form; the folder is the one that the user's programs call Sent, whatever its name (RFC 8579), else "Sent".
require ["envelope", "fileinto", "imap4flags", "mailbox", "special-use", "subaddress"];

if envelope :detail :is "to" "Sent" {
    fileinto :specialuse "\\Sent" :create :flags "\\Seen" "Sent";
}
