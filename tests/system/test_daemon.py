"""The daemon as its administrator handles it."""
import os
import signal

import libvirt

from harness.wait import wait_until


def hang_up(daemon):
    before = daemon.log.stat().st_size
    os.kill(daemon.process.pid, signal.SIGHUP)
    return before


def nice_of(pid):
    return os.getpriority(os.PRIO_PROCESS, pid)


def test_the_loop_runs_before_guests_and_workers(daemon, conn, guest):
    own = os.getpriority(os.PRIO_PROCESS, 0)
    conn.createXML(guest("web", memory=32), libvirt.VIR_DOMAIN_START_PAUSED)
    main = daemon.process.pid
    assert nice_of(main) == max(-20, own - 10)
    workers = [int(each) for each in os.listdir(f"/proc/{main}/task") if int(each) != main]
    assert workers and all(nice_of(each) == own for each in workers)
    [qemu] = daemon.pids_of("guest=web")
    assert all(nice_of(int(each)) == own for each in os.listdir(f"/proc/{qemu}/task"))
    conn.lookupByName("web").destroy()


def test_the_log_changes_at_run_time_and_a_bad_file_changes_nothing(make_daemon):
    daemon = make_daemon(config='[log]\nlevel = "error"\n')
    daemon.virsh("pool-capabilities")
    assert "info:" not in daemon.log.read_text()
    (daemon.root / "test.toml").write_text('[log]\nlevel = "info"\n')
    hang_up(daemon)
    wait_until(lambda: "the configuration was read again" in daemon.log.read_text(), "nothing was read")
    (daemon.root / "test.toml").write_text('[log]\nlevel = "loud"\n')
    hang_up(daemon)
    wait_until(lambda: "stays as it was" in daemon.log.read_text(), "the bad level was taken")
    assert daemon.virsh("list").code == 0
    file = daemon.root / "domusd.log"
    (daemon.root / "test.toml").write_text(f'[log]\nlevel = "info"\nfile = "{file}"\n[clients]\nmax_clients = 7\n')
    hang_up(daemon)
    wait_until(lambda: file.exists() and "counts at the next start" in file.read_text(), "the file was not opened")
    # As logrotate does it.
    file.rename(daemon.root / "domusd.log.1")
    hang_up(daemon)
    wait_until(lambda: file.exists() and "read again" in file.read_text(), "the file was not opened anew")
