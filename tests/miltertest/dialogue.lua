-- Runs a dialogue: miltertest -D socket=SOCKET -D script=FILE -s dialogue.lua. What the dialogues share is here. A call
-- that fails, or a reply that is not the expected one, ends the dialogue, and its line is printed.

-- Every function of miltertest gives nil, or says what went wrong.
local function done(problem)
    if problem ~= nil then error(problem, 3) end
end

local names = {
    [SMFIR_ACCEPT] = "accept",
    [SMFIR_CONTINUE] = "continue",
    [SMFIR_DISCARD] = "discard",
    [SMFIR_REJECT] = "reject",
    [SMFIR_REPLYCODE] = "a reply of its own",
    [SMFIR_SKIP] = "skip",
    [SMFIR_TEMPFAIL] = "tempfail",
}

-- Connects and negotiates; nil offers all that libmilter knows. miltertest 2.11 takes the steps before the actions,
-- whatever its manual says, and offers 1 for 0.
function connect(actions, steps)
    local conn = mt.connect(socket)
    if conn == nil then error("no connection to " .. socket, 2) end
    done(mt.negotiate(conn, nil, steps, actions))
    return conn
end

function expect(conn, reply)
    local got = mt.getreply(conn)
    if got ~= reply then
        error("expected " .. names[reply] .. ", got " .. (names[got] or tostring(got)), 2)
    end
end

-- MAIL of a login, or of nobody.
function mail(conn, login, sender)
    if login == nil then
        done(mt.macro(conn, SMFIC_MAIL, "{mail_addr}", sender))
    else
        done(mt.macro(conn, SMFIC_MAIL, "{auth_authen}", login, "{mail_addr}", sender))
    end
    done(mt.mailfrom(conn, "<" .. sender .. ">"))
end

-- Header fields: names and values in turn; the values with their leading space.
function header(conn, ...)
    local fields = { ... }
    for i = 1, #fields, 2 do
        done(mt.header(conn, fields[i], fields[i + 1]))
    end
end

function end_of_header(conn)
    done(mt.eoh(conn))
end

-- A piece of the body.
function body(conn, text)
    done(mt.bodystring(conn, text))
end

function end_of_message(conn)
    done(mt.eom(conn))
end

function abort(conn)
    done(mt.abort(conn))
end

-- Whether the milter asked for an action or a step.
function asks_for(conn, kind, flag, wanted, name)
    local test = kind == "action" and mt.test_action or mt.test_option
    if test(conn, flag) ~= wanted then
        error((wanted and "does not ask for " or "asks for ") .. name, 2)
    end
end

function yes(condition, what)
    if not condition then error("not so: " .. what, 2) end
end

-- miltertest itself ends with 1 without a word.
local ok, problem = pcall(dofile, script)
if not ok then
    print(problem)
    error(problem)
end
