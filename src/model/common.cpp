#include "model/common.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::never_empty;
using format::Schema;

const Schema& VirtioDriver::schema() {
    static const Schema table =
        Describe<VirtioDriver>("driver", "How the host serves the virtio device.")
            .field("@iommu", &VirtioDriver::iommu, "whether the device goes through the guest's IOMMU")
            .field("@ats", &VirtioDriver::ats, "whether it offers address translation services")
            .field("@packed", &VirtioDriver::packed, "whether it offers packed queues")
            .field("@page_per_vq", &VirtioDriver::page_per_vq, "whether each queue's doorbell has a page of its own");
    return table;
}

const Schema& SecretReference::schema() {
    static const Schema table =
        Describe<SecretReference>("secret", "A secret that the daemon keeps, named by its UUID or by its use.")
            .field("@type", &SecretReference::type, "what it opens")
            .field("@uuid", &SecretReference::uuid, "its UUID")
            .field("@usage", &SecretReference::usage, "what it is used for, as its definition says");
    return table;
}

const Schema& Auth::schema() {
    static const Schema table =
        Describe<Auth>("auth", "Who enters the storage server.")
            .field("@username", &Auth::username, "name of the user", format::required | never_empty)
            .field("secret", &Auth::secret);
    return table;
}

const Schema& Encryption::schema() {
    static const Schema table =
        Describe<Encryption>("encryption", "How the image is encrypted.")
            .field("@format", &Encryption::format, "format of the encryption", format::required)
            .field("@engine", &Encryption::engine, "program that decrypts")
            .field("secret", &Encryption::secrets, "passphrases that open it")
            .field("cipher@name", &Encryption::cipher_name, "cipher of a new image: aes, serpent, twofish")
            .field("cipher@size", &Encryption::cipher_size, "bits of its key")
            .field("cipher@mode", &Encryption::cipher_mode, "its mode: cbc, xts")
            .field("cipher@hash", &Encryption::cipher_hash, "its hash: sha256")
            .field("ivgen@name", &Encryption::ivgen_name, "generator of initial vectors: plain64, essiv")
            .field("ivgen@hash", &Encryption::ivgen_hash, "its hash");
    return table;
}

const Schema& Reconnect::schema() {
    static const Schema table = Describe<Reconnect>("reconnect", "Whether a lost connection is made again.")
                                    .field("@enabled", &Reconnect::enabled, "whether it is")
                                    .field("@timeout", &Reconnect::timeout, "seconds between attempts");
    return table;
}

const Schema& Seclabel::schema() {
    static const Schema table =
        Describe<Seclabel>("seclabel", "Label of a security driver.")
            .field("@type", &Seclabel::type, "whether the label is made at start, given here, or not used")
            .field("@model", &Seclabel::model, "name of the security driver: selinux, apparmor, dac")
            .field("@relabel", &Seclabel::relabel, "whether the files of the domain are labelled")
            .field("@labelskip", &Seclabel::labelskip, "live: the file could not be labelled")
            .field("label", &Seclabel::label, "label of the process, or of the one file", never_empty)
            .field("imagelabel", &Seclabel::imagelabel, "label of the files", format::live_only)
            .field("baselabel", &Seclabel::baselabel, "label from which one is made at start");
    return table;
}

const Schema& Rom::schema() {
    static const Schema table = Describe<Rom>("rom", "The device's option ROM.")
                                    .field("@enabled", &Rom::enabled, "whether there is one at all")
                                    .field("@bar", &Rom::bar, "whether the guest sees it in a BAR")
                                    .field("@file", &Rom::file, "file with its contents");
    return table;
}

const Schema& Teaming::schema() {
    static const Schema table =
        Describe<Teaming>("teaming", "Pairs a virtio interface with an assigned device that may come and go.")
            .field("@type", &Teaming::type, "which of the two this one is", format::required | empty_is_absent)
            .field("@persistent", &Teaming::persistent, "alias of the persistent one, named by the transient one");
    return table;
}

} // namespace domus::model
