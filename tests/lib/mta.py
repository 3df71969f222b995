"""Real mail servers: Postfix, Exim and OpenSMTPD, each in a small world of its
own: a process and a mount namespace with its own /etc and /var, so that none
touches the system's configuration, queue or users, and all three are there
although Debian lets only one be installed.  Killing the first process of the
namespace ends everything in it.  Needs root.
"""
import os
import re
import shutil
import signal
import smtplib
import subprocess

from muleteer import free_port, wait_for

CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
TREE = os.environ.get("MULETEER_MTA") or os.path.join(CACHE, "muleteer", "mta")

# Who may have mail: everybody else is refused with 550.  "later" is refused
# with 450 while the server is made to be shy.
USERS = ("ops", "a", "b", "later")

PASSWD = """root:x:0:0::/root:/bin/sh
nobody:x:65534:65534::/:/bin/false
postfix:x:6102:6105::/:/bin/false
Debian-exim:x:6103:6106::/:/bin/false
opensmtpd:x:6104:6107::/var/lib/opensmtpd/empty:/bin/false
opensmtpq:x:6105:6108::/:/bin/false
box:x:6106:6109::/var/box:/bin/sh
"""
GROUP = """root:x:0:
tty:x:5:
mail:x:8:
nogroup:x:65534:
postfix:x:6105:
postdrop:x:6110:
Debian-exim:x:6106:
opensmtpd:x:6107:
opensmtpq:x:6108:
box:x:6109:
"""

# The world: the system's programs, our own everything else.
WORLD = r"""
set -e
cd "$1"
mount -t tmpfs -o mode=755 none root
cd root
mkdir usr etc var proc dev tmp run root opt
for l in bin sbin lib lib32 lib64; do
	if [ -L /$l ]; then cp -P /$l $l
	elif [ -d /$l ]; then mkdir $l; mount --rbind /$l $l; fi
done
mount --rbind /usr usr
mount --bind "$2" opt
mount --bind "$2/usr/libexec" usr/libexec
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 none tmp
mount --bind ../etc etc
mount --bind ../var var
mount -t proc none proc
rm -rf var/run
ln -s /run var/run
exec chroot . /bin/sh -c 'echo world; exec sleep 1000000'
"""


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(child) for child in f.read().split()]


class MailServer:
    """One server: its own domain goes into maildirs, the rest to the relay.

    domain: whose mail it keeps.  relay: the port on 127.0.0.1 that takes all
    other mail.  tls: certificate and key, or None.
    """

    def __init__(self, directory, domain, relay, tls=None):
        if os.geteuid() != 0:
            raise RuntimeError("mail servers need root, for their users and "
                               "namespaces: run the tests as root")
        for name in ("exim4", "smtpd"):
            if not os.access(os.path.join(TREE, "usr/sbin", name), os.X_OK):
                raise RuntimeError(f"no {name} in {TREE}: run .ci/fetch-mta")
        self.directory = os.path.join(directory, f"{self.kind}-{domain}")
        self.domain = domain
        self.relay = relay
        self.tls = tls
        self.port = free_port()
        self.shy = False
        self.world = None
        self.server = None

    def path(self, *parts):
        """A file of the server's world, from outside."""
        return os.path.join(self.directory, *parts)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        # Postfix does not trust a file that has just been changed: 2 s.
        os.utime(path, (1e9, 1e9))

    def make_directory(self, name, user, mode=0o755):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        uid, gid = [(int(w[2]), int(w[3])) for w in (
            line.split(":") for line in PASSWD.splitlines())
            if w[0] == user][0]
        os.chown(path, uid, gid)
        os.chmod(path, mode)

    def build(self):
        os.makedirs(self.path("root"))
        self.write("etc/passwd", PASSWD)
        self.write("etc/group", GROUP)
        self.write("etc/hosts", "127.0.0.1 localhost\n")
        self.write("etc/nsswitch.conf",
                   "passwd: files\ngroup: files\nhosts: files\n")
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("etc/mailname", f"mx.{self.domain}\n")
        self.write("etc/services", "smtp 25/tcp\nqmqp 628/tcp\n")
        self.write("etc/ssl/certs/ca-certificates.crt", "")
        self.write("etc/ld.so.conf", "")
        shutil.copy("/etc/ld.so.cache", self.path("etc/ld.so.cache"))
        if self.tls:
            for name, mode, file in (("crt", 0o644, self.tls[0]),
                                     ("key", 0o600, self.tls[1])):
                with open(file, encoding="ascii") as f:
                    self.write(f"etc/tls.{name}", f.read(), mode)
        self.make_directory("var/box", "box")
        for d in ("var/log", "var/mail", "var/spool", "var/lib"):
            self.make_directory(d, "root")
        self.configure()

    def inside(self, *args, check=True):
        """Run a program in the server's world; its output."""
        run = subprocess.run(self.enter() + list(args), check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL, text=True, timeout=60,
                             errors="replace")
        if check and run.returncode:
            raise RuntimeError(f"{args}: {run.returncode}\n{run.stdout}")
        return run.stdout

    def enter(self):
        return ["nsenter", "-t", str(self.init), "-m", "-p", "-r", "-w"]

    def open_world(self):
        self.world = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "-mp", "--fork",
             "--kill-child", "--propagation", "private", "sh", "-c", WORLD,
             "sh", self.directory, TREE],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True)
        line = self.world.stdout.readline()
        if line != b"world\n":
            raise RuntimeError(line + self.world.stdout.read())
        self.init = children(self.world.pid)[0]

    def start(self):
        if self.world is None:
            self.build()
            self.open_world()
        self.configure()
        with open(self.path("server.log"), "ab") as log:
            self.server = subprocess.Popen(
                self.enter() + ["prlimit", "--nofile=1024:1024", "setsid", "-w"]
                + self.command, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True)

        def greets():
            if self.server.poll() is not None:
                with open(self.path("server.log"), encoding="utf-8") as f:
                    raise RuntimeError(f"{self.kind}: {f.read()}")
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=5) as s:
                    return s.noop()[0] == 250
            except OSError:
                return False
        wait_for(greets, 20, f"{self.kind} answers")
        return self

    def pause(self):
        """Stop the server as an operator would; its world stays, empty."""
        self.halt(children(self.server.pid)[0])
        self.server.wait(20)
        wait_for(lambda: not self.running(), 20, f"{self.kind} has ended")

    def running(self):
        """The processes of the world, without the first and the dead."""
        proc = f"/proc/{self.init}/root/proc"
        found = []
        for pid in os.listdir(proc):
            try:
                with open(f"{proc}/{pid}/stat", encoding="utf-8") as f:
                    state = f.read().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if pid.isdigit() and pid != "1" and state != "Z":
                found.append(pid)
        return found

    def halt(self, daemon):
        os.kill(daemon, signal.SIGTERM)

    def restart(self):
        self.pause()
        return self.start()

    def stop(self):
        """The end of the server and of all it has started."""
        if self.world is not None:
            self.world.kill()
            self.world.wait()
            self.world.stdout.close()
            self.world = None
        if self.server is not None:
            self.server.wait(20)

    def be_shy(self, shy):
        """Refuse "later" with 450, or no longer."""
        # What is in a mailbox and not yet noted would be delivered again.
        wait_for(lambda: not self.queue(), 20, f"{self.kind} has noted all")
        self.shy = shy
        self.restart()

    def log(self):
        try:
            with open(self.path(self.log_file), encoding="utf-8",
                      errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def mail(self, user):
        """The messages in a user's maildir, in order of arrival."""
        new = self.path("var/box", user, "new")
        if not os.path.isdir(new):
            return []
        files = [os.path.join(new, f) for f in os.listdir(new)]
        files.sort(key=lambda f: os.stat(f).st_mtime_ns)
        found = []
        for name in files:
            with open(name, "rb") as f:
                found.append(f.read())
        return found

    def wait_mail(self, user, n, seconds=30):
        wait_for(lambda: len(self.mail(user)) >= n, seconds,
                 f"{n} messages for {user} at {self.kind} {self.domain}")
        return self.mail(user)

    def find(self, user, word, seconds=30):
        """The messages of a user that contain a word, once there is one."""
        return wait_for(lambda: [m for m in self.mail(user) if word in m],
                        seconds, f"{word} for {user} at {self.kind}")

    def handed_over(self):
        """Queue ids of the gateway, as its replies to this server say."""
        return re.findall(r"250 2\.0\.0 Queued as (\d+)", self.log())


class Postfix(MailServer):
    kind = "postfix"
    log_file = "var/log/mail.log"
    command = ["/usr/lib/postfix/sbin/master", "-c", "/etc/postfix", "-d"]
    received = r"postfix/smtpd\[\d+\]: (\w+): client="
    # Its defaults of 2023: the easiest to smuggle through.
    extra = "smtpd_forbid_bare_newline = no\n"

    MAIN = """compatibility_level = 3.6
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = /var/log/mail.log
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{domain}
myorigin = {domain}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
relayhost = [127.0.0.1]:{relay}
virtual_mailbox_domains = {domain}
virtual_mailbox_base = /var/box
virtual_mailbox_maps = texthash:/etc/postfix/boxes
virtual_uid_maps = static:6106
virtual_gid_maps = static:6109
virtual_mailbox_limit = 0
message_size_limit = 30000000
smtpd_recipient_restrictions =
 check_recipient_access texthash:/etc/postfix/shy, permit_mynetworks, reject
smtpd_reject_unlisted_recipient = yes
smtp_tls_security_level = may
smtp_tls_loglevel = 1
smtpd_tls_loglevel = 1
smtputf8_enable = no
smtp_destination_rate_delay = 0
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
smtpd_client_connection_rate_limit = 0
"""
    TLS = ("smtpd_tls_security_level = may\n"
           "smtpd_tls_cert_file = /etc/tls.crt\n"
           "smtpd_tls_key_file = /etc/tls.key\n")

    SERVICES = """
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def configure(self):
        text = self.MAIN.format(domain=self.domain, relay=self.relay)
        self.write("etc/postfix/main.cf",
                   text + (self.TLS if self.tls else "") + self.extra)
        self.write("etc/postfix/master.cf",
                   self.SERVICES.format(port=f"127.0.0.1:{self.port}"))
        self.write("etc/postfix/boxes", "".join(
            f"{u}@{self.domain} {u}/\n" for u in USERS))
        self.write("etc/postfix/shy", f"later@{self.domain} 450 4.7.1 later\n"
                   if self.shy else "")
        self.write("etc/postfix/dynamicmaps.cf", "")
        self.make_directory("var/spool/postfix", "root")
        self.make_directory("var/spool/postfix/pid", "root")
        for d in ("active", "bounce", "corrupt", "defer", "deferred", "flush",
                  "hold", "incoming", "saved", "trace", "private", "maildrop",
                  "public"):
            self.make_directory(f"var/spool/postfix/{d}", "postfix", 0o700)
        self.make_directory("var/lib/postfix", "postfix", 0o700)

    def flush(self):
        self.inside("postqueue", "-c", "/etc/postfix", "-f")

    def queue(self):
        """Queue ids of what has not been delivered."""
        out = self.inside("postqueue", "-c", "/etc/postfix", "-j")
        return re.findall(r'"queue_id": "(\w+)"', out)


class Exim(MailServer):
    kind = "exim"
    log_file = "var/log/exim4/mainlog"
    command = ["/opt/usr/sbin/exim4", "-bdf", "-q1h"]
    received = r"(?m)^\S+ \S+ (\S+) <= .*P=e?smtps?"

    CONFIG = """
exim_path = /opt/usr/sbin/exim4
primary_hostname = mx.{domain}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
log_selector = +smtp_confirmation +tls_cipher +received_recipients
accept_8bitmime = true
dsn_advertise_hosts = *
pipelining_advertise_hosts = *
message_size_limit = 30M
smtp_accept_max_per_connection = 1000
smtp_accept_queue_per_connection = 1000
rfc1413_query_timeout = 0s
notifier_socket =
never_users =
keep_environment =
bounce_return_size_limit = 20K
{tls}
acl_smtp_rcpt = rcpt
acl_smtp_data = content

begin acl
rcpt:
  {shy}
  require verify = recipient
  accept
content:
  accept

begin routers
own:
  driver = accept
  domains = {domain}
  local_parts = {users}
  transport = box
unknown:
  driver = redirect
  domains = {domain}
  allow_fail
  data = :fail: no such user
away:
  driver = manualroute
  domains = ! {domain}
  route_list = * 127.0.0.1
  self = send
  transport = away

begin transports
box:
  driver = appendfile
  directory = /var/box/$local_part_data
  maildir_format
  create_directory
  delivery_date_add
  envelope_to_add
  return_path_add
  user = box
  group = box
away:
  driver = smtp
  port = {relay}
  allow_localhost
  hosts_try_dane =
  tls_verify_certificates = /etc/tls.crt
  tls_verify_cert_hostnames =
  message_linelength_limit = 100000

begin retry
* * F,1h,1s
"""

    def configure(self):
        tls = ("tls_advertise_hosts = *\ntls_certificate = /etc/tls.crt\n"
               "tls_privatekey = /etc/tls.key" if self.tls else
               "tls_advertise_hosts =")
        shy = ("defer message = 4.7.1 later\n        local_parts = later"
               if self.shy else "")
        self.write("etc/exim4/exim4.conf", self.CONFIG.format(
            domain=self.domain, relay=self.relay, port=self.port, tls=tls,
            shy=shy, users=" : ".join(USERS)))
        if self.tls:
            os.chmod(self.path("etc/tls.key"), 0o644)
        self.make_directory("var/spool/exim4", "Debian-exim", 0o750)
        self.make_directory("var/log/exim4", "Debian-exim", 0o750)

    def halt(self, daemon):
        # Its sessions would live on, with the old configuration.
        sessions = children(daemon)
        super().halt(daemon)
        for pid in sessions:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass

    def flush(self):
        self.inside("/opt/usr/sbin/exim4", "-qff")

    def queue(self):
        out = self.inside("/opt/usr/sbin/exim4", "-bp")
        return re.findall(r"(?m)^ *\d+\w +\S+ (\w{6}-\w{6}-\w\w) ", out)

    def handed_over(self):
        # One line for each recipient, all with the same reply.
        return re.findall(r"=> .*250 2\.0\.0 Queued as (\d+)", self.log())


class OpenSmtpd(MailServer):
    kind = "opensmtpd"
    log_file = "server.log"
    command = ["/opt/usr/sbin/smtpd", "-d"]
    received = r"smtp message msgid=(\w+)"

    def configure(self):
        listen = f"listen on 127.0.0.1 port {self.port} hostname mx." \
                 f"{self.domain}"
        text = "queue ttl 1h\nsmtp max-message-size 30M\n"
        if self.tls:
            text += ('pki p cert "/etc/tls.crt"\npki p key "/etc/tls.key"\n')
            listen += " tls pki p"
        if self.shy:
            text += (f'table shy {{ "later@{self.domain}" }}\n'
                     'filter shy phase rcpt-to match rcpt-to <shy> '
                     'reject "450 4.7.1 later"\n')
            listen += " filter shy"
        users = ", ".join(f'"{u}" = "box"' for u in USERS)
        text += (f"table users {{ {users} }}\n{listen}\n"
                 'action "box" maildir "/var/box/%{dest.user}" virtual '
                 '<users>\n'
                 f'action "away" relay host "smtp://127.0.0.1:{self.relay}"\n'
                 f'match from any for domain "{self.domain}" action "box"\n'
                 'match from any for any action "away"\n')
        self.write("etc/smtpd.conf", text, 0o600)
        self.make_directory("var/spool/smtpd", "root", 0o711)
        self.make_directory("var/lib/opensmtpd/empty", "root")

    def control(self, *args):
        """smtpctl, with the group that its installation would give it."""
        return self.inside("setpriv", "--regid", "6108", "--clear-groups",
                           "/opt/usr/sbin/smtpctl", *args)

    def flush(self):
        self.control("schedule", "all")

    def queue(self):
        out = self.control("show", "queue")
        return [line.split("|")[0] for line in out.splitlines() if line]

    def handed_over(self):
        return re.findall(r"result=\"?Ok\"? .*Queued as (\d+)", self.log())


SERVERS = {s.kind: s for s in (Postfix, Exim, OpenSmtpd)}
