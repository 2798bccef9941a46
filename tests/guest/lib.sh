# shellcheck shell=bash
# Pieces that `build`, `demo-image` and tests/lab/build share: the kernel, and the file tree of a guest. Sourced by bash.

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Drivers that the guest may want. The cloud kernel has no e1000, no AHCI, no USB and no i6300esb.
guest_modules="virtio_pci virtio_blk virtio_scsi virtio_net virtio_console virtio-rng virtio_balloon virtio_mem
    virtio_input virtiofs vmw_vsock_virtio_transport vsock_loopback sd_mod sr_mod isofs vfat nls_iso8859-1
    button evdev pvpanic-pci crc32c-intel"

die() { echo "${0##*/}: $*" >&2; exit 1; }

need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || die "needs the program '$1': apt-get install $2"
}

# Downloads the package PACKAGE and unpacks it into DIR, without installing anything.
unpack_package() { # PACKAGE DIR
    local download
    download=$(mktemp -d)
    if ! (cd "$download" && apt-get -q -o APT::Sandbox::User=root download "$1" >apt.log 2>&1); then
        cat "$download/apt.log" >&2
        rm -rf "$download"
        die "cannot download the package '$1' (try apt-get update)"
    fi
    mkdir -p "$2"
    dpkg -x "$download"/*.deb "$2"
    rm -rf "$download"
}

# Debian's cloud kernel, unpacked to OUT/kernel with OUT/vmlinuz and OUT/version beside it.
fetch_kernel() { # OUT
    local package
    [ ! -s "$1/version" ] || return 0
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
    [ -n "$package" ] || die "apt knows no linux-image-cloud-amd64 (try apt-get update)"
    rm -rf "$1/kernel"
    unpack_package "$package" "$1/kernel"
    depmod -b "$1/kernel" "${package#linux-image-}"
    cp "$1/kernel/boot/vmlinuz-${package#linux-image-}" "$1/vmlinuz"
    echo "${package#linux-image-}" >"$1/version"
}

# The modules named with all they depend on, as a tree that modprobe in the guest understands.
copy_modules() { # OUT TREE MODULE...
    local out=$1 tree=$2 version module path
    shift 2
    version=$(cat "$out/version")
    mkdir -p "$tree/lib/modules/$version"
    cp "$out/kernel/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$tree/lib/modules/$version/"
    for module in "$@"; do
        modprobe -d "$out/kernel" -S "$version" --show-depends "$module"
    done | awk '$1 == "insmod" {print $2}' | sort -u | while read -r path; do
        install -D -m 644 "$path" "$tree/lib/modules/$version/${path#*/"$version"/}"
    done
    depmod -b "$tree" "$version"
}

# The folders of a system and busybox's programs in them, without those that end it.
make_busybox() { # TREE
    local applet
    mkdir -p "$1"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,run,tmp,root,etc,mnt,var/log}
    ln -s ../run "$1/var/run"
    cp "$(command -v busybox)" "$1/bin/busybox"
    for applet in $("$1/bin/busybox" --list-full); do
        [ "$applet" = bin/busybox ] || ln -sf /bin/busybox "$1/$applet"
    done
    rm -f "$1"/{sbin,bin,usr/sbin,usr/bin}/{poweroff,reboot,halt,shutdown,init}
}

# A busybox system that starts with our init.
make_tree() { # OUT TREE
    local applet
    make_busybox "$2"
    install -m 755 "$guest_dir/init" "$2/sbin/init"
    install -m 755 "$guest_dir/power.script" "$2/sbin/poweroff"
    for applet in reboot halt shutdown; do ln -s poweroff "$2/sbin/$applet"; done
    install -m 755 "$guest_dir/udhcpc.script" "$2/etc/udhcpc.script"
    install -m 755 "$guest_dir/uevent.script" "$2/etc/uevent.script"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$2/etc/passwd"
    echo 'root:x:0:' >"$2/etc/group"
    # shellcheck disable=SC2086 # one word a module
    copy_modules "$1" "$2" $guest_modules
}

# Whether OUT/NAME was packed from what its stamp says.
fresh() { # OUT NAME STAMP
    [ -s "$1/$2" ] && [ "$(cat "$1/$2.stamp" 2>/dev/null)" = "$3" ]
}

# TREE as the RAM disk OUT/NAME.
pack() { # TREE OUT NAME STAMP
    (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$2/$3.new"
    mv "$2/$3.new" "$2/$3"
    echo "$4" >"$2/$3.stamp"
}

# Changes with anything of ours that goes into a guest. A newer kernel package is not looked for; delete OUT for that.
fingerprint() { # FILE...
    cat "$@" "$guest_dir"/{init,lib.sh,*.script} "$(command -v busybox)" | sha256sum | cut -d' ' -f1
}
