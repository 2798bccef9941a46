"""The daemon as its administrator handles it."""
import os
import signal

from harness.wait import wait_until


def hang_up(daemon):
    before = daemon.log.stat().st_size
    os.kill(daemon.process.pid, signal.SIGHUP)
    return before


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
