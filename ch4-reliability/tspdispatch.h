/* SPDX-License-Identifier: 0BSD */
/* tspdispatch.h - brings stored requests to their services, as often as needed.
 *
 *     PULL news ---> tspdispatch (this) <--- DEALER ---> ROUTER mdbroker
 *
 * Guide: chapter 4, "Disconnected Reliability (Titanic Pattern)".
 */
#pragma once
#include "zg.h"

/* Run until the program stops. Takes [uuid][service] from news, a PULL socket,
 * which stays the caller's; sends the request that the store has under that
 * UUID to the service by the broker at this endpoint, again if no reply came
 * for so many ms; and gives the reply to the store. */
void tspdispatch(void *ctx, const char *broker, long ms, void *news);
