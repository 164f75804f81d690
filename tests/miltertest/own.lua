-- Own mail is accepted at the first chunk of its body: the rest is never sent. The next message begins from nothing.

local conn = connect()
for _ = 1, 3 do
    mail(conn, "anna", "anna@example.org")
    expect(conn, SMFIR_CONTINUE)
    header(conn, "From", " Anna Adams <anna@example.org>", "Subject", " x")
    end_of_header(conn)
    body(conn, "Hello.\r\n")
    expect(conn, SMFIR_ACCEPT)
    abort(conn)
end
mt.disconnect(conn)
