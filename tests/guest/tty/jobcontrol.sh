# An interactive shell typed at through a pseudoterminal: the script that make-fixture.sh and tests/tty.test.mjs run.
mount -t proc proc /proc 2>/dev/null; mount -t sysfs sysfs /sys 2>/dev/null; mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /tmp /etc; mount -t devpts devpts /dev/pts 2>/dev/null
cd /; unset ENV; export HISTFILE=
/t/ptydrive /t/jobcontrol.keys sh -i
