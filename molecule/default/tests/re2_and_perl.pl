# Run on a host as root: shows each pattern that RE2 has texts that it fits, and others that are a little off, and asks Perl as well.
# Prints how many rules there are, how many of them are RE2's, how many texts fitted, and then each text of which the two think differently.
use strict;
use warnings;

use File::Temp qw(tempdir);
use Mail::SpamAssassin;

my $ours = '/etc/spamassassin';
my $site = tempdir(CLEANUP => 1);
system("cp -r $ours/. $site && rm $site/zz_courier_mail.cf") == 0 or die;
require "$ours/courier_mail_re2.pm";
my $spamassassin = Mail::SpamAssassin->new({ dont_copy_prefs => 1, userprefs_filename => '/dev/null', site_rules_filename => $site });
$spamassassin->init(0);
my $conf = $spamassassin->{conf};

srand 20261128;
my @STRANGE = (' ', "\n", "\x0b", "\x85", "\xa0", "\xb5", "\xc9", "\xdf", "\xe9", "\xff", 'k', 'S', '0', '_');
my %members;

sub some { return $_[ rand @_ ] }

# A byte of a class.
sub of_class {
    my ($class) = @_;
    $members{$class} //= [ grep { /\A$class\z/s } map { chr } 0 .. 255 ];
    return some(@{ $members{$class} });
}

# Something that fits a pattern in $_, from its position on: one of its alternatives, which are made of parts, each some times.
sub alternative {
    my @all = parts();
    push @all, parts() while /\G\|/gc;
    return some(@all);
}

sub parts {
    my $said = '';
    until (/\G(?:(?=[|)])|\z)/gc) {
        my $part = part();
        my ($least, $most) = (1, 1);
        if    (/\G\{(\d+)(,?)(\d*)\}\??/gc) { ($least, $most) = ($1, $2 ? $3 || $1 + 2 : $1) }
        elsif (/\G([*+?])\??/gc)            { ($least, $most) = ($1 eq '+', $1 eq '?' ? 1 : 3) }
        $most  = $least + 3 if $most > $least + 3;
        $said .= $part x ($least + int rand($most - $least + 1));
    }
    return $said;
}

sub part {
    return '' if /\G\\[AzbB]/gc;
    if (/\G\(\?:/gc) {
        my $said = alternative();
        /\G\)/gc or die;
        return $said;
    }
    return of_class($1) if /\G(\[[^\]]+\]|\\x..|\\n)/gc;
    die;
}

sub a_little_off {
    my ($text) = @_;
    my $at = int rand(length($text) + 1);
    my $how = int rand 5;
    if    ($how == 0) { substr($text, $at, 0) = some(@STRANGE) }
    elsif ($how == 1) { substr($text, $at, 1) = some(@STRANGE) if $at < length $text }
    elsif ($how == 2) { substr($text, $at, 1) = ''             if $at < length $text }
    elsif ($how == 3) { $text = $text ^ join '', map { /[A-Za-z\xc0-\xd6\xe0-\xf6]/ && rand() < .5 ? ' ' : "\0" } split //, $text }
    else              { $text = some(@STRANGE) . $text . some(@STRANGE) }
    return $text;
}

my ($all, $given, $fitted, @different) = (0, 0, 0);
for my $rule (sort map { keys %$_ } values %{ $conf->{body_tests} }) {
    $all++;
    my $perl       = $conf->{test_qrs}->{$rule};
    my $translated = Mail::SpamAssassin::Plugin::CourierMailRE2::translated($perl) // next;
    my $re2        = Mail::SpamAssassin::Plugin::CourierMailRE2::taken($translated) // next;
    $given++;
    for (1 .. 10) {
        my ($fits) = map { pos = 0; alternative() } $translated;
        $fitted++ if $fits =~ $perl;
        for my $text ($fits, "$fits\n", map { a_little_off($fits) } 1 .. 4) {
            push @different, "$rule " . unpack 'H*', $text if ($text =~ $perl ? 1 : 0) != ($text =~ $re2 ? 1 : 0);
        }
    }
}
print "$all $given $fitted\n", map { "$_\n" } @different;
