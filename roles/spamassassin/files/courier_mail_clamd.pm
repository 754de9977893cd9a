# Managed by courier.mail
# Asks clamd whether a message has a virus, and says so in a rule (CLAMD_VIRUS) and a header (X-Spam-Virus).
#
# It gives a score and refuses nothing: a message that clamd could not look at passes, with "Error" in the header.
package Mail::SpamAssassin::Plugin::CourierMailClamd;

use strict;
use warnings;
use re 'taint';

use IO::Socket::UNIX;
use Mail::SpamAssassin::Logger;
use Mail::SpamAssassin::Plugin;
use Mail::SpamAssassin::Timeout;
use Mail::SpamAssassin::Util qw(untaint_file_path);

our @ISA = qw(Mail::SpamAssassin::Plugin);

use constant PIECE => 65536;

sub new {
    my ($class, $main) = @_;
    my $self = $class->SUPER::new($main);
    bless($self, $class);
    $main->{conf}->{parser}->register_commands([
        {
            setting  => 'clamd_socket',
            is_admin => 1,
            default  => '/run/clamav/clamd.ctl',
            type     => $Mail::SpamAssassin::Conf::CONF_TYPE_STRING,
        },
        {
            setting  => 'clamd_timeout',
            is_admin => 1,
            default  => 20,
            type     => $Mail::SpamAssassin::Conf::CONF_TYPE_NUMERIC,
        },
    ]);
    $self->register_eval_rule('check_clamd');
    return $self;
}

sub check_clamd {
    my ($self, $pms, $text) = @_;
    my $conf  = $pms->{conf};
    my $reply = '';
    # A timeout of SpamAssassin's own: it may already be counting for something around us, and a bare alarm would stop that.
    my $timer   = Mail::SpamAssassin::Timeout->new({ secs => $conf->{clamd_timeout} });
    my $trouble = $timer->run_and_catch(sub { $reply = ask($conf->{clamd_socket}, $text) });
    $trouble = 'timed out' if $timer->timed_out();

    if (!$trouble && $reply =~ /^stream: (.+) FOUND$/) {
        my $name = $1;
        $name =~ s/[^\w.\/-]/_/g;
        $pms->set_tag('CLAMDSTATUS', "Yes ($name)");
        $pms->test_log($name, $pms->get_current_eval_rule_name());
        return 1;
    }
    if (!$trouble && $reply eq 'stream: OK') {
        $pms->set_tag('CLAMDSTATUS', 'No');
        return 0;
    }
    $trouble ||= "clamd answered '$reply'";
    chomp $trouble;
    info("clamd: $trouble");
    $pms->set_tag('CLAMDSTATUS', 'Error');
    return 0;
}

# The answer of clamd to a message, without its end.
sub ask {
    my ($path, $text) = @_;
    local $SIG{PIPE} = 'IGNORE'; # clamd hangs up on what is too long
    my $clamd = IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => untaint_file_path($path)) or die "$path: $!\n";
    say_to($clamd, "zINSTREAM\0");
    for (my $at = 0; $at < length $$text; $at += PIECE) {
        my $piece = substr($$text, $at, PIECE);
        say_to($clamd, pack('N', length $piece) . $piece);
    }
    say_to($clamd, pack('N', 0));
    local $/ = "\0";
    my $reply = <$clamd>;
    die "clamd hung up\n" unless defined $reply;
    chomp $reply;
    return $reply;
}

sub say_to {
    my ($clamd, $bytes) = @_;
    $clamd->print($bytes) && $clamd->flush() or die "clamd does not listen: $!\n";
    return;
}

1;
