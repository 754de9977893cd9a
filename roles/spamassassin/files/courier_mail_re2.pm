# Managed by courier.mail
# Asks RE2, which takes a fraction of the time that Perl takes, which rules of kind body may fit a line, and Perl only about these.
#
# What RE2 is asked fits whatever the rule fits, and a little more: for which bytes each part of a pattern stands, Perl says; and what looks
# around, which RE2 cannot, is left out. A rule of which this cannot be said stays with SpamAssassin alone.
package Mail::SpamAssassin::Plugin::CourierMailRE2;

use strict;
use warnings;
use re 'taint';

use Mail::SpamAssassin::Logger;
use Mail::SpamAssassin::Plugin;
use re::engine::RE2 ();

our @ISA = qw(Mail::SpamAssassin::Plugin);

my $CLASS = qr{ \[ \^? \]? (?: \\[^c] | \[:\^?[a-z]+:\] | [^\]\\] )* \] }xs;
# What stands for one byte: a class, an escape, any, or itself.
my $BYTE  = qr{
    $CLASS
    | \\ (?: [^a-zA-Z0-9] | [dDwWsShHvVnrtfae] | x[0-9a-fA-F]{2} )
    | [^\\\[\](){}\$*+?|^]
}xs;
# A group that only looks at what is before or behind.
my $LOOK = qr{ \(\?<?[=!] (?<inside> (?: \\. | $CLASS | \( (?&inside) \) | [^\\\[()] )* ) \) }xs;
# What is there once, and is not asked to be there more often.
my $ONCE = qr{(?![*+?\{])};
my %ranges; # what it stands for, by the mode and itself

sub new {
    my ($class, $main) = @_;
    my $self = $class->SUPER::new($main);
    bless($self, $class);
    # After those that still write patterns (ReplaceTags), or take them apart (BodyRuleBaseExtractor).
    $self->register_method_priority('finish_parsing_end', 1000);
    return $self;
}

sub finish_parsing_end {
    my ($self, $options) = @_;
    my $conf = $options->{conf};
    my ($all, $asked) = (0, 0);
    for my $priority (keys %{ $conf->{body_tests} }) {
        my $tests = $conf->{body_tests}->{$priority};
        for my $rule (keys %$tests) {
            $all++;
            # What these found is asked for later.
            next if grep { exists $conf->{$_}->{$rule} } qw(capture_rules capture_template_rules);
            my $loose = loose($conf->{test_qrs}->{$rule}) // next;
            my $sieve = sieve($loose)                     // next;
            my $flags = $conf->{tflags}->{$rule} // '';
            my $first = $flags =~ /\bnosubject\b/ ? 1 : 0;
            my ($most) = $flags =~ /\bmultiple\b/ ? ($flags =~ /\bmaxhits=(\d+)\b/, 0) : 1;
            $self->{sieves}->{$priority}->{$rule} = [ $sieve, $first, $most ];
            delete $tests->{$rule};
            $asked++;
        }
    }
    dbg("courier_mail_re2: asked first about $asked of $all rules of bodies");
    return;
}

# Called at each priority, before SpamAssassin looks for what it still has.
sub check_rules_at_priority {
    my ($self, $options) = @_;
    my $pms    = $options->{permsgstatus};
    my $conf   = $pms->{conf};
    my $sieves = $self->{sieves}->{ $options->{priority} } // return;
    my @lines  = @{ $pms->get_decoded_stripped_body_text_array() };
    for my $rule (grep { $conf->{scores}->{$_} } keys %$sieves) {
        my ($sieve, $first, $most) = @{ $sieves->{$rule} };
        my ($perl, $hits) = ($conf->{test_qrs}->{$rule}, 0);
      LINE: for my $line (@lines[ $first .. $#lines ]) {
            next unless $line =~ $sieve;
            pos($line) = 0;
            while ($line =~ /$perl/gp) {
                dbg("rules: ran body rule $rule ======> got hit: \"${^MATCH}\"");
                $pms->got_hit($rule, 'BODY: ', ruletype => 'body');
                last LINE if ++$hits == $most;
            }
        }
        $pms->rule_ready($rule, 1); # for rules about others' results
    }
    return;
}

# What RE2 is asked for a pattern, or nothing if something in it might mean something else to RE2.
sub loose {
    my ($pattern) = @_;
    # As SpamAssassin compiles all of them.
    return unless ref $pattern eq 'Regexp' && "$pattern" =~ /\A\(\?\^aa(i?):(.*)\)\z/s;
    my ($mode, $text) = ($1, $2);
    return if utf8::is_utf8($text);
    my ($loose, @groups) = (''); # of each group where it begins, in what is written here, and the mode around it
    for ($text) {
        until (/\G\z/gc) {
            if    (/\G\(\?([aims]+)\)/gc)               { $mode = mode($mode, $1) }
            elsif (/\G(?:$LOOK|\$|\\[zZ])$ONCE/gc)      { } # takes no byte
            elsif (/\G(?:\^|\\A)/gc)                    { $loose .= $mode =~ /m/ ? '' : '\A' }
            elsif (/\G(\\[bB]|\|)/gc)                   { $loose .= $1 }
            elsif (/\G\((?:\?([aims]*)(?:-([ims]+))?:|(?![?*]))/gc) {
                push @groups, [ length $loose, $mode ];
                $mode = mode($mode, $1 // '', $2 // '');
                $loose .= '(?:';
            }
            elsif (/\G\)/gc) {
                (my $start, $mode) = @{ pop @groups };
                $loose .= ')';
                # Written out, because RE2 multiplies such numbers with those inside, and takes no more than a thousand.
                $loose .= substr($loose, $start) x ($1 - 1) if /\G\{([1-9])\}$ONCE/gc;
            }
            elsif (/\G((?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??)$ONCE/gc) { $loose .= $1 }
            elsif (/\G($BYTE)/gc)                                   { $loose .= ranges($1, $mode) // return }
            else                                                    { return }
        }
    }
    return $loose;
}

# What is switched on and off, after that.
sub mode {
    my ($mode, $on, $off) = @_;
    return join '', grep { "$mode$on" =~ /$_/ && ($off // '') !~ /$_/ } qw(i m s);
}

# All bytes for which something stands, as Perl says.
sub ranges {
    my ($one, $mode) = @_;
    return $ranges{$mode}{$one} //= do {
        my $perl = eval { qr/\A(?^aa$mode:$one)\z/ } // return;
        my $said = '';
        for (my $byte = 0; $byte < 256; $byte++) {
            next unless chr($byte) =~ $perl;
            $said .= sprintf '\x%02x', $byte;
            my $first = $byte;
            $byte++ while $byte < 255 && chr($byte + 1) =~ $perl;
            $said .= sprintf '-\x%02x', $byte if $byte > $first;
        }
        return if $said eq '';
        length $said == 4 ? $said : "[$said]";
    };
}

# The same for RE2, or nothing if it is too big or too strange for it, or fits everything.
sub sieve {
    my ($loose) = @_;
    use re::engine::RE2 -strict => 1;
    my $sieve = eval { qr/$loose/ };
    return defined $sieve && '' !~ $sieve ? $sieve : undef;
}

1;
