#!/usr/bin/perl
# Reads From as Perl's Email::Address::XS and Mail::Address do: a line of hexadecimal octets in, a line of JSON out, with
# the addresses that each takes for authors.
use strict;
use warnings;
use Email::Address::XS;
use JSON::PP;
use Mail::Address;

my $json = JSON::PP->new->utf8->canonical;
while (my $line = <STDIN>) {
    chomp $line;
    my $field = pack 'H*', $line;
    utf8::decode($field);
    # As Email::Simple and Mail::Header unfold.
    $field =~ s/\r?\n(?=[ \t])//g;
    my @strict = grep { defined && length } map { $_->address } grep { $_->is_valid } Email::Address::XS->parse($field);
    my @lenient = grep { defined && length } map { $_->address } Mail::Address->parse($field);
    print $json->encode({ 'Email::Address::XS' => reading(@strict), 'Mail::Address' => reading(@lenient) }), "\n";
}

# Who shows nobody refuses.
sub reading {
    return @_ ? [@_] : undef;
}
