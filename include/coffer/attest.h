// The verifier: evidence of SGX, TDX, SEV-SNP and TPMs, whether it is authentic, and what it says. For programs inside
// enclaves and outside; `find_package(Coffer)`, then link Coffer::attest.
#pragma once

#include <coffer/attest/appraisal.h>
#include <coffer/attest/claims.h>
#include <coffer/attest/dcap.h>
#include <coffer/attest/evidence.h>
#include <coffer/attest/openenclave.h>
#include <coffer/attest/policy.h>
#include <coffer/attest/roots.h>
#include <coffer/attest/snp.h>
#include <coffer/attest/time.h>
#include <coffer/attest/token.h>
#include <coffer/attest/tpm.h>
#include <coffer/attest/verification.h>
