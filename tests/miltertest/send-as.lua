-- Send-as: every Sender goes, however many there are.

local conn = connect()
mail(conn, "carl", "dora@example.org")
header(conn, "Sender", " a@x.example", "From", " dora@example.org", "SENDER", " b@x.example", "sender", " carl@example.org")
end_of_header(conn)
end_of_message(conn)
expect(conn, SMFIR_ACCEPT)
yes(mt.eom_check(conn, MT_HDRDELETE, "Sender"), "Sender is deleted")
yes(not mt.eom_check(conn, MT_HDRADD), "nothing is added")
mt.disconnect(conn)
