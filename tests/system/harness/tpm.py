"""Commands to a guest's TPM. Debian's cloud kernel has no driver for it: its registers (TCG PC Client TPM Interface
Specification, FIFO at 0xfed40000) are read and written by busybox's devmem."""
_FUNCTION = r"""t=0xfed400; tpm() { devmem ${t}00 8 2; devmem ${t}18 8 0x40; s=$1;
while [ -n "$s" ]; do devmem ${t}24 8 0x${s%${s#??}}; s=${s#??}; done; devmem ${t}18 8 0x20;
while [ $(($(devmem ${t}18 8) & 0x10)) = 0 ]; do sleep 0.1; done; r=; n=10;
while [ ${#r} -lt $((2 * n)) ]; do b=$(devmem ${t}24 8); r=$r${b#0x}; [ ${#r} != 12 ] || n=$((0x${r#????})); done;
devmem ${t}18 8 0x40; echo $r; }""".replace("\n", " ")
_NO_PASSWORD = "40000009" "0000" "00" "0000"
_SESSIONS, _NO_SESSIONS = "8002", "8001"
_OWNER, _INDEX = "40000001", "01800001"
_PCR, _SHA256 = 16, "000b"


class GuestTpm:
    """The TPM 2.0 of a guest with model tpm-tis, through a GuestShell."""

    def __init__(self, shell):
        self._shell = shell
        shell.run(_FUNCTION)

    def pcr(self):
        """The SHA-256 of a register that nobody else extends: volatile, lost when the guest is powered off."""
        return self._read_pcr()[-64:]

    def has_sha256(self):
        """Whether that bank is active: the answer has a digest then."""
        return len(self._read_pcr()) > 2 * 32 + 2 * 10

    def _read_pcr(self):
        return self._call(_NO_SESSIONS, "0000017e", "00000001" + _SHA256 + "03" + "000001")

    def extend(self):
        self._call(_SESSIONS, "00000182", f"{_PCR:08x}", self._session(), "00000001", _SHA256, "5a" * 32)

    def remember(self, word):
        """Eight bytes of non-volatile memory."""
        public = _INDEX + _SHA256 + "02040004" + "0000" + "0008"
        self._call(_SESSIONS, "0000012a", _OWNER, self._session(), "0000", f"{len(public) // 2:04x}", public)
        self._call(_SESSIONS, "00000137", _INDEX, _INDEX, self._session(), "0008", word.encode().hex(), "0000")

    def remembered(self):
        """None if there is nothing."""
        answer = self._call(_SESSIONS, "0000014e", _INDEX, _INDEX, self._session(), "0008", "0000", check=False)
        return bytes.fromhex(answer[32:48]).decode() if answer[12:20] == "00000000" else None

    @staticmethod
    def _session():
        return f"{len(_NO_PASSWORD) // 2:08x}" + _NO_PASSWORD

    def _call(self, tag, code, *parts, check=True):
        body = code + "".join(parts)
        answer = self._shell.run(f"tpm {tag}{6 + len(body) // 2:08x}{body}").split()[-1].lower()
        assert not check or answer[12:20] == "00000000", f"the TPM answers {answer}"
        return answer
