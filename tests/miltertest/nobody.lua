-- Mail without a login is accepted at MAIL: it costs one reply.

local conn = connect()
mail(conn, nil, "boss@example.org")
expect(conn, SMFIR_ACCEPT)
mt.disconnect(conn)
