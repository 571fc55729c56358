#!/usr/bin/env bash
# Builds the Linux router that the firewall is measured against: Debian's cloud kernel and nftables in a small initrd.
#
#   linux-peer.sh FOLDER     makes FOLDER/vmlinuz and FOLDER/initrd, unless they are there
#
# Needs the packages that ./bench installs, and apt-get to fetch the kernel's package. Its policy is what the firewall is
# given as well: masquerade the DMZ, forward TCP 7000 and 5201 and UDP 7001 and 7002 to 10.99.0.2, stateful, default deny.
# The word rules=N on the kernel's command line puts N-1 rules that match nothing before the one that lets the DMZ out.
set -euo pipefail
folder=${1:?the folder to build in}
recipe=$(sha256sum < "${BASH_SOURCE[0]}")
mkdir -p "$folder"
cd "$folder"
if [ -s vmlinuz ] && [ -s initrd ] && [ "$(cat recipe 2> /dev/null)" = "$recipe" ]; then exit 0; fi

fail() {
  echo "bench: $*" >&2
  exit 1
}

rm -rf packages unpacked root
mkdir packages unpacked
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\(linux-image-[^ ]*\).*/\1/p' | head -n 1)
[ -n "$package" ] || fail "apt knows no linux-image-cloud-amd64: run apt-get update, or use a Debian mirror"
# apt's own user must be able to write there, else it warns.
(cd packages && apt-get -qq -o APT::Sandbox::User=root download "$package") || fail "cannot fetch $package"
dpkg-deb -x packages/*.deb unpacked
cp unpacked/boot/vmlinuz-* vmlinuz
version=$(basename unpacked/boot/vmlinuz-*)
version=${version#vmlinuz-}
depmod -b unpacked "$version"

mkdir -p root/bin root/modules root/proc root/sys root/dev
cp "$(command -v busybox)" root/bin/busybox
cp "$(PATH=$PATH:/usr/sbin command -v nft)" root/bin/nft
# nft's libraries, and the loader itself.
ldd root/bin/nft | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "root$(dirname "$library")"
  cp -L "$library" "root$library"
done

number=100
for module in virtio_pci virtio_mmio virtio_net nf_conntrack nf_tables nft_ct nft_nat nft_chain_nat nft_masq; do
  # Each module after those that it needs; what is built in has no file.
  modprobe -d unpacked -S "$version" --show-depends "$module" 2> /dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
  case $file in
    *.xz) xz -dc "$file" > "root/modules/$number.ko" ;;
    *) cp "$file" "root/modules/$number.ko" ;;
  esac
  number=$((number + 1))
done
[ -n "$(ls root/modules)" ] || fail "$package has none of the modules that a router needs"

cat > root/init <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
for module in /modules/*; do insmod "$module"; done

# Which card is which: the last byte of its address.
for card in /sys/class/net/eth*; do
  name=${card##*/}
  case $(cat "$card/address") in
    *:01) wan=$name ;;
    *:02) dmz=$name ;;
  esac
done
ip link set lo up
ip address add 192.0.2.1/24 dev "$wan"
ip address add 10.99.0.1/24 dev "$dmz"
ip link set "$wan" up
ip link set "$dmz" up

rules=1
for word in $(cat /proc/cmdline); do
  case $word in rules=*) rules=${word#rules=} ;; esac
done
{
  echo 'table ip firewall {'
  echo '  chain forwarded {'
  echo '    type filter hook forward priority filter; policy drop;'
  echo '    ct state established,related accept'
  echo '    ct state invalid drop'
  awk -v rules="$rules" 'BEGIN { for (i = 0; i < rules - 1; i++) printf "    ip daddr 203.%d.%d.1 drop\n", i / 250, i % 250 }'
  echo "    iifname $dmz oifname $wan accept"
  echo '    ct status dnat accept'
  echo '  }'
  echo '  chain arrived {'
  echo '    type nat hook prerouting priority dstnat;'
  echo "    iifname $wan ip daddr 192.0.2.1 tcp dport { 7000, 5201 } dnat to 10.99.0.2"
  echo "    iifname $wan ip daddr 192.0.2.1 udp dport { 7001, 7002 } dnat to 10.99.0.2"
  echo '  }'
  echo '  chain leaving {'
  echo '    type nat hook postrouting priority srcnat;'
  echo "    oifname $wan masquerade"
  echo '  }'
  echo '}'
} > /policy
echo 262144 > /proc/sys/net/netfilter/nf_conntrack_max
nft -f /policy || echo 'the policy was refused'
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 'linux: ready'
while true; do sleep 3600; done
INIT
chmod +x root/init
(cd root && find . | cpio --quiet -o -H newc | gzip -1) > initrd
rm -rf packages unpacked root
echo "$recipe" > recipe
