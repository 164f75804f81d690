-- On behalf: Sender is added, in the place where fields are added; with the leading space that was negotiated.

local carl = '"Carl Clausen" <carl@example.org>'

local conn = connect()
mail(conn, "carl", "carl@example.org")
expect(conn, SMFIR_CONTINUE)
header(conn, "From", " bea@example.org")
end_of_header(conn)
end_of_message(conn)
expect(conn, SMFIR_ACCEPT)
yes(mt.eom_check(conn, MT_HDRADD, "Sender", " " .. carl), "Sender is added")
yes(not mt.eom_check(conn, MT_HDRDELETE), "nothing is deleted")
yes(not mt.eom_check(conn, MT_HDRINSERT), "nothing is inserted")
abort(conn)

-- The Sender that is there is changed, and the next message of the session knows nothing of it.
mail(conn, "carl", "carl@example.org")
header(conn, "Sender", " boss@example.org", "From", " bea@example.org")
end_of_header(conn)
end_of_message(conn)
expect(conn, SMFIR_ACCEPT)
yes(mt.eom_check(conn, MT_HDRCHANGE, "Sender", " " .. carl), "Sender is changed")
yes(not mt.eom_check(conn, MT_HDRADD), "nothing is added")
mt.disconnect(conn)
