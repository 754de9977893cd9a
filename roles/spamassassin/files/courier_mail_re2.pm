# Managed by courier.mail
# Lets RE2 look for the rules of kind body, which takes a fraction of the time that Perl takes.
#
# What RE2 finds is what Perl finds: Perl says for which bytes each part of a pattern stands, and what else is in it means the same to both.
# All other patterns, and those that RE2 does not take, stay with Perl.
package Mail::SpamAssassin::Plugin::CourierMailRE2;

use strict;
use warnings;
use re 'taint';

use Mail::SpamAssassin::Logger;
use Mail::SpamAssassin::Plugin;
use re::engine::RE2 ();

our @ISA = qw(Mail::SpamAssassin::Plugin);

# What stands for one byte: a class, an escape, any, or itself.
my $BYTE = qr{
    \[ \^? \]? (?: \\[^c] | \[:\^?[a-z]+:\] | [^\]\\] )* \]
    | \\ (?: [^a-zA-Z0-9] | [dDwWsShHvVnrtfae] | x[0-9a-fA-F]{2} )
    | [^\\\[\](){}\$*+?|^]
}xs;
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
    my ($all, $given) = (0, 0);
    my @prose = values %{ $conf->{descriptions} };
    for my $rule (map { keys %$_ } values %{ $conf->{body_tests} }) {
        $all++;
        # Where it counts how often something is there, or what stands there, both may differ.
        next if ($conf->{tflags}->{$rule} // '') =~ /\bmultiple\b/ || exists $conf->{capture_template_rules}->{$rule};
        my $translated = translated($conf->{test_qrs}->{$rule}) // next;
        my $taken      = taken($translated)                     // next;
        $conf->{test_qrs}->{$rule} = $taken;
        # RE2 gets faster as it learns what texts look like, and all processes of spamd have what it learns here.
        scalar grep { $_ =~ $taken } @prose;
        $given++;
    }
    dbg("courier_mail_re2: $given of $all rules of bodies are RE2's");
    return;
}

# A pattern as RE2 has it, or nothing if something in it might mean something else to RE2.
sub translated {
    my ($pattern) = @_;
    # As SpamAssassin compiles all of them.
    return unless ref $pattern eq 'Regexp' && "$pattern" =~ /\A\(\?\^aa(i?):(.*)\)\z/s;
    my ($mode, $text) = ($1, $2);
    return if utf8::is_utf8($text);
    my ($translated, @groups) = (''); # of each group where it begins, in what is translated, and the mode around it
    for ($text) {
        until (/\G\z/gc) {
            if    (/\G\(\?aa\)/gc)       { }
            elsif (/\G\(\?i\)/gc)        { $mode = 'i' }
            elsif (/\G(?:\^|\\A)/gc)     { $translated .= '\A' }
            elsif (/\G\$(?=\)*\z)/gc)    { $translated .= '\n?\z' } # nothing follows
            elsif (/\G(\\[bBz]|\|)/gc)   { $translated .= $1 }
            elsif (/\G\((?:\?(i?):|(?![?*]))/gc) {
                push @groups, [ length $translated, $mode ];
                $mode = 'i' if $1;
                $translated .= '(?:';
            }
            elsif (/\G\)/gc) {
                (my $start, $mode) = @{ pop @groups };
                $translated .= ')';
                # Written out, because RE2 multiplies such numbers with those inside, and takes no more than a thousand.
                $translated .= substr($translated, $start) x ($1 - 1) if /\G\{([1-9])\}(?![*+?{])/gc;
            }
            elsif (/\G((?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??)(?![*+?{])/gc) { $translated .= $1 }
            elsif (/\G($BYTE)/gc)                                         { $translated .= ranges($1, $mode) // return }
            else                                                          { return }
        }
    }
    return $translated;
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

# The same for RE2, or nothing if it is too big or too strange for it.
sub taken {
    my ($text) = @_;
    use re::engine::RE2 -strict => 1;
    return eval { qr/$text/ };
}

1;
