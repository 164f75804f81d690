-- Without scheduling no body is ever needed.

local conn = connect()
asks_for(conn, "step", SMFIP_NOBODY, true, "SMFIP_NOBODY")
asks_for(conn, "action", SMFIF_CHGBODY, false, "SMFIF_CHGBODY")

-- Every verdict falls at the end of the message.
for from, reply in pairs {
    ["carl@example.org"] = SMFIR_ACCEPT, ["bea@example.org"] = SMFIR_ACCEPT, ["boss@example.org"] = SMFIR_REPLYCODE,
} do
    mail(conn, "carl", "carl@example.org")
    expect(conn, SMFIR_CONTINUE)
    header(conn, "From", " " .. from)
    end_of_header(conn)
    end_of_message(conn)
    expect(conn, reply)
    local added = mt.eom_check(conn, MT_HDRADD, "Sender", ' "Carl Clausen" <carl@example.org>')
    yes(added == (from == "bea@example.org"), "Sender is added on behalf, for " .. from)
end
mt.disconnect(conn)
