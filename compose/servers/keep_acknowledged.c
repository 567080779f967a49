/* Keeps what the broker has acknowledged in the running round of its loop (Mosquitto 2.1).
 *
 * Mosquitto sends a PUBACK at once; its SQLite plugin commits when the round has ended. A broker that is
 * killed between the two loses what it acknowledged. This plugin notes each stored message in a shared
 * mapping, which outlives the process and costs a copy of some hundred bytes; forgets the notes when the
 * round is committed; and publishes what it finds at the next start. A message that was committed all the
 * same comes twice, which the readings' key makes harmless.
 *
 * Load it after the SQLite plugin: callbacks run in the order of loading, so that at our tick the commit
 * is done. The persistence events are marked unstable: the header's version is compared at the start.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mosquitto.h>
#include <mosquitto/broker.h>
#include <mosquitto/broker_plugin.h>

#define CAPACITY (256u << 20) /* bytes: more than a round brings; a sparse file */
#define ROUNDS_TO_COMMIT 3    /* ticks until what was published again is committed */

struct round_file {
	volatile uint64_t used;
	char notes[];
};

struct note {
	uint32_t topic_size; /* with its NUL */
	uint32_t payload_size;
	uint8_t qos;
	uint8_t retain;
	char bytes[];
};

static struct round_file *round_file;
static char *found; /* notes of a broker that was killed */
static uint64_t found_size;
static int rounds_to_wait;
static bool has_overflowed;

static int on_stored(int event, void *data, void *unused)
{
	const struct mosquitto_base_msg *message = &((struct mosquitto_evt_persist_base_msg *)data)->data;
	uint64_t topic_size = strlen(message->topic) + 1;
	uint64_t size = (sizeof(struct note) + topic_size + message->payloadlen + 7) & ~(uint64_t)7;
	struct note *note = (struct note *)(round_file->notes + round_file->used);

	if(message->topic[0] == '$'){
		return MOSQ_ERR_SUCCESS;
	}
	if(sizeof(struct round_file) + round_file->used + size > CAPACITY){
		if(!has_overflowed){
			mosquitto_log_printf(MOSQ_LOG_ERR, "keep_acknowledged: more than %u MiB in one round", CAPACITY >> 20);
			has_overflowed = true;
		}
		return MOSQ_ERR_SUCCESS;
	}
	note->topic_size = (uint32_t)topic_size;
	note->payload_size = message->payloadlen;
	note->qos = message->qos;
	note->retain = message->retain;
	memcpy(note->bytes, message->topic, topic_size);
	if(message->payloadlen){
		memcpy(note->bytes + topic_size, message->payload, message->payloadlen);
	}
	round_file->used += size; /* last: half a note does not count */
	return MOSQ_ERR_SUCCESS;
}

static void publish_found(void)
{
	uint64_t at = 0;
	unsigned count = 0;

	while(at < found_size){
		const struct note *note = (const struct note *)(found + at);
		mosquitto_broker_publish_copy(NULL, note->bytes, (int)note->payload_size,
				note->bytes + note->topic_size, note->qos, note->retain, NULL);
		at += (sizeof(struct note) + note->topic_size + note->payload_size + 7) & ~(uint64_t)7;
		count++;
	}
	mosquitto_log_printf(MOSQ_LOG_NOTICE, "keep_acknowledged: published %u messages again", count);
	free(found);
	found = NULL;
	rounds_to_wait = ROUNDS_TO_COMMIT;
}

static int on_tick(int event, void *data, void *unused)
{
	if(found != NULL){
		publish_found();
	}else if(rounds_to_wait > 0){
		rounds_to_wait--;
	}else{
		round_file->used = 0;
	}
	return MOSQ_ERR_SUCCESS;
}

static int open_round_file(const char *path)
{
	int handle = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int error;

	if(handle < 0){
		return errno;
	}
	if(ftruncate(handle, CAPACITY) != 0){
		error = errno;
		close(handle);
		return error;
	}
	round_file = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
	error = errno;
	close(handle);
	return round_file == MAP_FAILED ? error : 0;
}

int mosquitto_plugin_version(int count, const int *versions)
{
	for(int i = 0; i < count; i++){
		if(versions[i] == 5){
			return 5;
		}
	}
	return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **unused, struct mosquitto_opt *options, int count)
{
	const char *path = NULL;
	int error;

	for(int i = 0; i < count; i++){
		if(!strcmp(options[i].key, "file")){
			path = options[i].value;
		}
	}
	if(path == NULL){
		mosquitto_log_printf(MOSQ_LOG_ERR, "keep_acknowledged: plugin_opt_file is missing");
		return MOSQ_ERR_INVAL;
	}
	error = open_round_file(path);
	if(error){
		mosquitto_log_printf(MOSQ_LOG_ERR, "keep_acknowledged: %s: %s", path, strerror(error));
		return MOSQ_ERR_UNKNOWN;
	}
	found_size = round_file->used;
	if(found_size > 0 && found_size < CAPACITY){
		found = malloc(found_size);
		if(found == NULL){
			return MOSQ_ERR_NOMEM;
		}
		memcpy(found, round_file->notes, found_size);
	}
	mosquitto_callback_register(id, MOSQ_EVT_PERSIST_BASE_MSG_ADD, on_stored, NULL, NULL);
	return mosquitto_callback_register(id, MOSQ_EVT_TICK, on_tick, NULL, NULL);
}

int mosquitto_plugin_cleanup(void *unused, struct mosquitto_opt *options, int count)
{
	munmap(round_file, CAPACITY);
	return MOSQ_ERR_SUCCESS;
}
