// Offsets inside Slot, and values of its fields, for the assembler of processor/entry.S; slot.h proves them.
#pragma once

#define SLOT_TURN 0
#define SLOT_RDI 8
#define SLOT_RSI 16
#define SLOT_RDX 24
#define SLOT_R8 32
#define SLOT_R9 40
#define SLOT_HOST_SLEEPS 128

#define TURN_CELL 1

// boundary::Request::kFirstRemote
#define REQUEST_FIRST_REMOTE 16
// boundary::Request::kFileRead and, behind it, kFileWrite
#define REQUEST_FILE_READ 34
