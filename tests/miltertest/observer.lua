-- With policy.mode = "observe" no action is asked for: there is nothing that the milter could do to a message.

local conn = connect()
for _, name in ipairs { "SMFIF_ADDHDRS", "SMFIF_CHGHDRS", "SMFIF_CHGFROM", "SMFIF_CHGBODY", "SMFIF_ADDRCPT" } do
    asks_for(conn, "action", _G[name], false, name)
end
mail(conn, "anna", "anna@example.org")
expect(conn, SMFIR_CONTINUE)
header(conn, "From", " boss@example.org")
end_of_header(conn)
body(conn, "Hello.\r\n")
expect(conn, SMFIR_ACCEPT)
mt.disconnect(conn)
