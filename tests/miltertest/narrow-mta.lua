-- An MTA that lets us leave out no step gets an answer to every one; the leading space it takes away is not given back.

local conn = connect(nil, SMFIP_SKIP)
local function step(problem)
    if problem ~= nil then error(problem, 2) end
    expect(conn, SMFIR_CONTINUE)
end
step(mt.conninfo(conn, "client.example", "127.0.0.1"))
step(mt.helo(conn, "client.example"))
mail(conn, "carl", "carl@example.org")
expect(conn, SMFIR_CONTINUE)
step(mt.rcptto(conn, "<to@sink.example>"))
step(mt.data(conn))
step(mt.header(conn, "From", "bea@example.org"))
step(mt.eoh(conn))
mt.bodystring(conn, "Hello.\r\n")
expect(conn, SMFIR_SKIP)
end_of_message(conn)
expect(conn, SMFIR_ACCEPT)
yes(mt.eom_check(conn, MT_HDRADD, "Sender", '"Carl Clausen" <carl@example.org>'), "Sender is added without a space")
mt.disconnect(conn)

-- One that offers only to add fields gets a message deferred that would need another change, and none half changed.
conn = connect(SMFIF_ADDHDRS, nil)
mail(conn, "carl", "carl@example.org")
header(conn, "Sender", " a@x.example", "Sender", " b@x.example", "From", " bea@example.org")
end_of_header(conn)
end_of_message(conn)
expect(conn, SMFIR_REPLYCODE)
mt.disconnect(conn)
