-- What is not allowed is refused at the first chunk of the body, whatever came before it in the same session.

local conn = connect()
for _, from in ipairs { " boss@example.org", " nobody@example.org", " anna@example.org, boss@example.org", " boss", "" } do
    mail(conn, "anna", "anna@example.org")
    expect(conn, SMFIR_CONTINUE)
    header(conn, "From", from, "Sender", " anna@example.org")
    end_of_header(conn)
    body(conn, "Hello.\r\n")
    expect(conn, SMFIR_REPLYCODE)
    abort(conn)
end

-- No From, and two.
mail(conn, "anna", "anna@example.org")
header(conn, "Subject", " x")
end_of_header(conn)
body(conn, "Hello.\r\n")
expect(conn, SMFIR_REPLYCODE)
abort(conn)

mail(conn, "anna", "anna@example.org")
header(conn, "From", " anna@example.org", "FROM", " anna@example.org")
end_of_header(conn)
body(conn, "Hello.\r\n")
expect(conn, SMFIR_REPLYCODE)
mt.disconnect(conn)
