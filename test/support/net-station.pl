# One station of a small network for tests: it does what a line on its standard input says, and answers with a line.
# Started in a network namespace of its own by test/support/net-world.ts. Frames are told and sent in hex.
#   tcp ADDRESS PORT MS      what the server there says of us (our address as it sees it), or "none"
#   udp ADDRESS PORT MS      likewise
#   ping ADDRESS MS          "yes" or "none"
#   serve PORT               answers on TCP and UDP from now on
#   dhcp MS                  asks for an address: "address netmask gateway seconds MAC-of-the-server", or "none"
#   send HEX                 a raw frame on eth0
#   heard                    the frames that came in on eth0 since last asked (our own excepted), space separated
use strict;
use warnings;
use Socket;
use Time::HiRes qw(time sleep);
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
$| = 1;
$SIG{PIPE} = 'IGNORE';

my $AF_PACKET = 17;
my $ETH_P_ALL = 3;
my ($cable, %tcp, %udp, @heard);

sub cable {
  return $cable if $cable;
  open(my $f, '<', '/proc/self/net/dev') or die;
  socket($cable, $AF_PACKET, SOCK_RAW, unpack('S', pack('n', $ETH_P_ALL))) or die "raw: $!";
  my $request = pack('Z16 i x20', 'eth0', 0);
  ioctl($cable, 0x8933, $request) or die "index: $!";    # SIOCGIFINDEX
  my (undef, $index) = unpack('Z16 i', $request);
  bind($cable, pack('S n i S C C a8', $AF_PACKET, $ETH_P_ALL, $index, 0, 0, 0, '')) or die "bind: $!";
  fcntl($cable, F_SETFL, fcntl($cable, F_GETFL, 0) | O_NONBLOCK);
  return $cable;
}

sub hear {
  return unless $cable;
  while (defined(my $from = recv($cable, my $frame, 2048, 0))) {
    my (undef, undef, undef, undef, $kind) = unpack('S n i S C', $from);
    push @heard, unpack('H*', $frame) unless $kind == 4;    # PACKET_OUTGOING
  }
}

sub readable {
  my ($socket, $seconds) = @_;
  my $set = '';
  vec($set, fileno($socket), 1) = 1;
  return select($set, undef, undef, $seconds) > 0;
}

sub tcp_ask {
  my ($address, $port, $ms) = @_;
  socket(my $s, PF_INET, SOCK_STREAM, 0) or return 'none';
  fcntl($s, F_SETFL, fcntl($s, F_GETFL, 0) | O_NONBLOCK);
  connect($s, pack_sockaddr_in($port, inet_aton($address)));
  return 'none' unless readable($s, $ms / 1000);
  my $said = '';
  sysread($s, $said, 100) or return 'none';
  chomp $said;
  return $said;
}

sub udp_ask {
  my ($address, $port, $ms) = @_;
  socket(my $s, PF_INET, SOCK_DGRAM, 0) or return 'none';
  defined(send($s, 'hello', 0, pack_sockaddr_in($port, inet_aton($address)))) or return 'none';
  return 'none' unless readable($s, $ms / 1000);
  defined(recv($s, my $said, 100, 0)) or return 'none';
  return $said;
}

sub checksum {
  my $sum = 0;
  $sum += $_ for unpack('n*', $_[0]);
  $sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16;
  return ~$sum & 0xffff;
}

sub ping {
  my ($address, $ms) = @_;
  socket(my $s, PF_INET, SOCK_RAW, 1) or return 'none';
  my $id = $$ & 0xffff;
  my $sum = checksum(pack('C C n n n', 8, 0, 0, $id, 1));
  defined(send($s, pack('C C n n n', 8, 0, $sum, $id, 1), 0, pack_sockaddr_in(0, inet_aton($address)))) or return 'none';
  my $end = time + $ms / 1000;
  while ((my $left = $end - time) > 0) {
    last unless readable($s, $left);
    my $from = recv($s, my $packet, 200, 0) or last;
    my ($type, undef, undef, $got) = unpack('C C n n', substr($packet, 20));
    my (undef, $who) = unpack_sockaddr_in($from);
    return 'yes' if $type == 0 && $got == $id && inet_ntoa($who) eq $address;
  }
  return 'none';
}

sub serve {
  my ($port) = @_;
  socket(my $t, PF_INET, SOCK_STREAM, 0) or die;
  setsockopt($t, SOL_SOCKET, SO_REUSEADDR, 1);
  bind($t, pack_sockaddr_in($port, INADDR_ANY)) or die "port: $!";
  listen($t, 16);
  $tcp{ fileno($t) } = $t;
  socket(my $u, PF_INET, SOCK_DGRAM, 0) or die;
  bind($u, pack_sockaddr_in($port, INADDR_ANY)) or die "port: $!";
  $udp{ fileno($u) } = $u;
  return 'ok';
}

# DHCP as a client without an address speaks it (RFC 2131): raw frames, as it may not have one to send from.
sub dhcp_send {
  my ($mac, $type, @options) = @_;
  my $said = pack('C4 a4 n n x16 a6 x10 x192 a4', 1, 1, 6, 0, 'hdcs', 0, 0x8000, $mac, "\x63\x82\x53\x63");
  # 55: what we want to be told of: netmask, gateway, seconds.
  $said .= pack('C C C', 53, 1, $type) . join('', @options) . pack('C C C3 C', 55, 3, 1, 3, 51, 255);
  my $udp = pack('n n n n', 68, 67, 8 + length $said, 0) . $said;
  my $ip = pack('C C n n n C C n a4 a4', 0x45, 0, 20 + length $udp, 0, 0, 64, 17, 0, "\0" x 4, "\xff" x 4);
  substr($ip, 10, 2) = pack('n', checksum($ip));
  return send(cable(), "\xff" x 6 . $mac . "\x08\x00" . $ip . $udp, 0);
}

sub dhcp_answer {
  my ($type, $end) = @_;
  while ((my $left = $end - time) > 0) {
    last unless readable(cable(), $left);
    while (defined(my $from = recv($cable, my $frame, 2048, 0))) {
      my (undef, undef, undef, undef, $kind) = unpack('S n i S C', $from);
      next if $kind == 4 || length $frame < 282 || substr($frame, 12, 2) ne "\x08\x00" || substr($frame, 34, 4) ne "\0\x43\0\x44";
      next unless substr($frame, 46, 4) eq 'hdcs';
      my %told = (address => substr($frame, 58, 4), server => substr($frame, 6, 6));
      my $rest = substr($frame, 282);
      while (length $rest > 2 && $rest !~ /^\xff/) {
        my ($code, $size) = unpack('C C', $rest);
        $told{$code} = substr($rest, 2, $size);
        $rest = substr($rest, 2 + $size);
      }
      return \%told if unpack('C', $told{53} // "\0") == $type;
    }
  }
  return undef;
}

sub dhcp {
  my ($ms) = @_;
  my $end = time + $ms / 1000;
  open(my $f, '-|', 'ip', '-o', 'link', 'show', 'eth0') or die;
  my ($text) = <$f> =~ m{link/ether ([0-9a-f:]+)};
  my $mac = pack('H*', $text =~ s/://gr);
  cable();
  hear();
  dhcp_send($mac, 1);
  my $offer = dhcp_answer(2, $end) or return 'none';
  dhcp_send($mac, 3, pack('C C a4', 50, 4, $offer->{address}), pack('C C a4', 54, 4, $offer->{54}));
  my $given = dhcp_answer(5, $end) or return 'none';
  return join(' ', inet_ntoa($given->{address}), inet_ntoa($given->{1}), inet_ntoa($given->{3}),
    unpack('N', $given->{51}), join(':', map { sprintf '%02x', $_ } unpack('C6', $given->{server})));
}

my %does = (
  tcp => \&tcp_ask, udp => \&udp_ask, ping => \&ping, serve => \&serve, dhcp => \&dhcp,
  send => sub { defined(send(cable(), pack('H*', $_[0]), 0)) ? 'ok' : "no: $!" },
  heard => sub { cable(); hear(); my $all = join(' ', @heard); @heard = (); return $all; },
);

my $line = '';
for (;;) {
  my $set = '';
  vec($set, fileno($_), 1) = 1 for \*STDIN, values %tcp, values %udp, ($cable ? $cable : ());
  select($set, undef, undef, undef);
  hear();
  for my $t (values %tcp) {
    next unless vec($set, fileno($t), 1);
    my $from = accept(my $client, $t) or next;
    my (undef, $who) = unpack_sockaddr_in($from);
    syswrite($client, inet_ntoa($who) . "\n");
    close $client;
  }
  for my $u (values %udp) {
    next unless vec($set, fileno($u), 1);
    my $from = recv($u, my $said, 100, 0) or next;
    my (undef, $who) = unpack_sockaddr_in($from);
    send($u, inet_ntoa($who), 0, $from);
  }
  next unless vec($set, fileno(STDIN), 1);
  sysread(STDIN, $line, 4096, length $line) or exit;
  while ($line =~ s/^(.*)\n//) {
    my ($name, @rest) = split / /, $1;
    my $answer = $does{$name} ? $does{$name}->(@rest) : 'what?';
    print "$answer\n";
  }
}
