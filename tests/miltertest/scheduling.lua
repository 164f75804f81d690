-- The body is asked for only where a calendar may be in it and somebody is written for.

local function calendar(organizer)
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\n" ..
        "ORGANIZER:mailto:" .. organizer .. "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
end

local function begin(conn, from, kind)
    mail(conn, "carl", "carl@example.org")
    expect(conn, SMFIR_CONTINUE)
    header(conn, "From", " " .. from, "Content-Type", " " .. kind)
    end_of_header(conn)
end

-- An own invitation needs no look.
local conn = connect()
begin(conn, "carl@example.org", "text/calendar; method=REQUEST")
body(conn, "BEGIN:VCALENDAR\r\n")
expect(conn, SMFIR_ACCEPT)

-- On behalf without a calendar: one piece of the body is answered.
begin(conn, "bea@example.org", "text/plain")
body(conn, "Hello.\r\n")
expect(conn, SMFIR_SKIP)
end_of_message(conn)
expect(conn, SMFIR_ACCEPT)

-- On behalf with one: it is read whole, and marked.
begin(conn, "bea@example.org", "text/calendar; method=REQUEST")
local text = calendar("bea@example.org")
body(conn, text:sub(1, 40))
expect(conn, SMFIR_CONTINUE)
body(conn, text:sub(41))
expect(conn, SMFIR_CONTINUE)
end_of_message(conn)
expect(conn, SMFIR_ACCEPT)
local marked = text:gsub("ORGANIZER:", 'ORGANIZER;SENT-BY="mailto:carl@example.org":')
yes(mt.eom_check(conn, MT_BODYCHANGE, marked), "the body is marked")

-- Somebody else's invitation, sent on: not a byte of it changes.
begin(conn, "bea@example.org", "text/calendar; method=REQUEST")
body(conn, calendar("x@foreign.example"))
expect(conn, SMFIR_CONTINUE)
end_of_message(conn)
expect(conn, SMFIR_ACCEPT)
yes(not mt.eom_check(conn, MT_BODYCHANGE), "the body stays")
mt.disconnect(conn)
