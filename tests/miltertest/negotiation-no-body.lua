-- Without scheduling no body is ever needed.

local conn = connect()
asks_for(conn, "step", SMFIP_NOBODY, true, "SMFIP_NOBODY")
asks_for(conn, "action", SMFIF_CHGBODY, false, "SMFIF_CHGBODY")
mt.disconnect(conn)
