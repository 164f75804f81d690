-- The milter asks for the actions and steps that it needs, and over TCP for none that makes Postfix wait 40 ms.

local conn = connect()
for name, wanted in pairs {
    SMFIP_NOCONNECT = true, SMFIP_NOHELO = true, SMFIP_NORCPT = true, SMFIP_NOUNKNOWN = true, SMFIP_NOBODY = false,
    SMFIP_NR_HDR = true, SMFIP_NR_RCPT = true, SMFIP_NR_EOH = true, SMFIP_HDR_LEADSPC = true, SMFIP_SKIP = true,
    SMFIP_NOMAIL = false, SMFIP_NOHDRS = false, SMFIP_NOEOH = false,
    SMFIP_NR_MAIL = false, SMFIP_NR_DATA = false, SMFIP_NR_BODY = false, SMFIP_RCPT_REJ = false,
    SMFIP_NODATA = transport == "unix",
} do
    asks_for(conn, "step", _G[name], wanted, name)
end
for name, wanted in pairs {
    SMFIF_ADDHDRS = true, SMFIF_CHGHDRS = true, SMFIF_CHGFROM = true, SMFIF_CHGBODY = true,
    SMFIF_ADDRCPT = false, SMFIF_ADDRCPT_PAR = false, SMFIF_DELRCPT = false, SMFIF_QUARANTINE = false,
} do
    asks_for(conn, "action", _G[name], wanted, name)
end
mt.disconnect(conn)
