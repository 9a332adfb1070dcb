# What Makefiles for the Intel SGX SDK include as $(SGX_SDK)/buildenv.mk, for Coffer.
#
# They read where libraries for inside are, and flags against load value injection (CVE-2020-0551). Coffer has one set of
# libraries; processors that need those mitigations get them from the compiler's own flags, in CFLAGS.
SGX_TRUSTED_LIBRARY_PATH ?= $(SGX_SDK)/lib64
MITIGATION_C_FLAGS :=
MITIGATION_CXXFLAGS :=
MITIGATION_CFLAGS :=
MITIGATION_ASFLAGS :=
MITIGATION_LDFLAGS :=
MITIGATION_LIB_PATH :=
ifneq ($(MITIGATION-CVE-2020-0551),)
$(warning MITIGATION-CVE-2020-0551 has no effect: Coffer's libraries come in one build)
endif
