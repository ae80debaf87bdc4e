# reaper.pl PROGRAM ARGS… : runs PROGRAM and takes in every orphan below it, until none is left.
# libvirtd waits for QEMUs that detached from it to vanish. Where process 1 reaps nothing (many containers), they stay
# as zombies, and libvirtd's first answer takes minutes. Perl, because it is on every Debian.
use strict;
my %prctl = (x86_64 => 157, aarch64 => 167);
my $machine = `uname -m`;
chomp $machine;
my $PR_SET_CHILD_SUBREAPER = 36;
syscall($prctl{$machine}, $PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) if $prctl{$machine};

my $child = fork // die "fork: $!\n";
if (!$child) { exec @ARGV or die "exec $ARGV[0]: $!\n" }
$SIG{$_} = sub { kill 'TERM', $child } for qw(TERM INT);
$SIG{HUP} = 'IGNORE';
while (1) {
  my $gone = waitpid(-1, 0);
  next if $gone > 0;
  last if !$!{EINTR};
}
