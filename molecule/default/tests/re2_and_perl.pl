# Run on a host as root: shows each pattern of which RE2 is asked first texts that it fits, and others that are a little off, and asks Perl as
# well. Then SpamAssassin looks into letters made of such texts, with the plugin and without it.
# Prints how many rules there are, of how many RE2 is asked, how many texts fitted, how many did not though RE2 thought so, how many rules
# letters fitted, and then what RE2 missed and what differed.
use strict;
use warnings;

use File::Temp qw(tempdir);
use Mail::SpamAssassin;

my $ours = '/etc/spamassassin';
my $site = tempdir(CLEANUP => 1);
system("cp -r $ours/. $site && rm $site/zz_courier_mail.cf") == 0 or die;
require "$ours/courier_mail_re2.pm";

sub spamassassin {
    my ($plugins) = @_;
    open my $file, '>', "$site/zz.cf" or die;
    print $file $plugins, <<'END';
body BED_EACH /plonkor/i
tflags BED_EACH multiple
meta BED_THRICE BED_EACH == 3
body BED_BELOW /wibbet/
tflags BED_BELOW nosubject
END
    close $file;
    my $spamassassin = Mail::SpamAssassin->new(
        { dont_copy_prefs => 1, userprefs_filename => '/dev/null', site_rules_filename => $site, local_tests_only => 1 });
    $spamassassin->init(0);
    return $spamassassin;
}
my $alone = spamassassin('');
my $conf  = $alone->{conf};

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
    return '' if /\G\\[AbB]/gc;
    if (/\G\(\?:/gc) {
        my $said = alternative();
        /\G\)/gc or die;
        return $said;
    }
    return of_class($1) if /\G(\[[^\]]+\]|\\x..)/gc;
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

my ($all, $asked, $fitted, $loosely, @texts, @different) = (0, 0, 0, 0);
for my $rule (sort map { keys %$_ } values %{ $conf->{body_tests} }) {
    $all++;
    my $perl  = $conf->{test_qrs}->{$rule};
    my $loose = Mail::SpamAssassin::Plugin::CourierMailRE2::loose($perl)  // next;
    my $sieve = Mail::SpamAssassin::Plugin::CourierMailRE2::sieve($loose) // next;
    $asked++;
    for (1 .. 10) {
        my ($fits) = map { pos = 0; alternative() } $loose;
        for my $text ($fits, "$fits\n", map { a_little_off($fits) } 1 .. 4) {
            if ($text =~ $perl) {
                $fitted++;
                push @different, "$rule " . unpack 'H*', $text if $text !~ $sieve;
            }
            elsif ($text =~ $sieve) { $loosely++ }
        }
        push @texts, $fits if $_ <= 3;
    }
}

# What SpamAssassin says of letters. It keeps what it generates for all objects of a process, so this is another process.
sub said {
    my ($plugins, @letters) = @_;
    my $pid = open(my $said, '-|') // die;
    if (!$pid) {
        my $spamassassin = spamassassin($plugins);
        my $left         = map { keys %$_ } values %{ $spamassassin->{conf}->{body_tests} };
        die "SpamAssassin looks for $left rules itself" if $left != ($plugins ? $all - $asked : $all);
        for my $letter (@letters) {
            my $mail   = $spamassassin->parse($letter);
            my $status = $spamassassin->check($mail);
            print join(' ', $status->get_score(), $status->get_names_of_tests_hit(), $status->get_names_of_subtests_hit()), "\n";
            $status->finish();
            $mail->finish();
        }
        exit;
    }
    my @said = <$said>;
    close $said or die;
    return @said;
}

my @letters;
while (my @some = splice @texts, 0, 40) {
    push @letters, "From: a\@example.net\nSubject: plonkor wibbet\n\n" . join "\n\n", map { s/\n/ /gr } @some, 'Plonkor PLONKOR';
}
my @without = said('', @letters);
my @with    = said("loadplugin Mail::SpamAssassin::Plugin::CourierMailRE2 $ours/courier_mail_re2.pm\n", @letters);
push @different, map { $with[$_] eq $without[$_] ? () : ("with $with[$_]", "without $without[$_]") } 0 .. $#without;
my %hit = map { $_ => 1 } grep { exists $conf->{test_qrs}->{$_} } map { split /[ ,\n]/ } @without;
print join(' ', $all, $asked, $fitted, $loosely, scalar keys %hit), "\n", map { s/\n*\z/\n/r } @different;
