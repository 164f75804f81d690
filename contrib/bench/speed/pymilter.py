"""pymilter.py SOCKET: a filter with pymilter that does nothing, with as few callbacks as one that decides by the login and
the header has, and no answers to header fields."""

import sys

import Milter


class Nothing(Milter.Base):
    def envfrom(self, *_):
        self.login = self.getsymval("{auth_authen}")
        return Milter.CONTINUE

    @Milter.noreply
    def header(self, *_):
        return Milter.CONTINUE

    def eom(self):
        return Milter.CONTINUE


class NothingOverTcp(Nothing):
    def data(self):
        return Milter.CONTINUE


Milter.factory = NothingOverTcp if sys.argv[1].startswith("inet:") else Nothing
Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS)
Milter.runmilter("nothing", sys.argv[1], 60)
