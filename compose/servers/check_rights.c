/* Checks who may use which client id, publish, subscribe and read (Mosquitto 2.1), in place of the
 * broker's own check of the ACL file, which accepts every subscription and every client id.
 *
 * - On the gateways' listener the certificate's CN, a MAC, becomes user name and client id, so nobody can
 *   take another's. The broker could do that alone, but then it asks no plugin, and certificates that have
 *   ended or are revoked would have to be refused in the handshake: by the address, not by the name; and a
 *   client that resumes a TLS session skips that check. Revoked certificates are those of the list
 *   `revoked`; it is read again when the file changes, and connections with such a certificate are ended.
 * - Client ids that begin with `bridge_ids` belong to the user `bridge_user`, who may use no other. A
 *   client with another's id would take its session over, or end it with all that waits in it.
 * - A subscription must lie within what the ACL file lets its user read. $share/GROUP/FILTER must be
 *   named there as such: whoever shares in a group takes messages away from the others.
 * - A message that would expire is published again without an end. The broker tells plugins of the
 *   expiry when it stores the message, too late to change it; what comes twice is stored once.
 * - Retained messages are not kept: they would lie in the broker for ever. Old ones can be deleted.
 * - A session ends with its connection, or the broker would queue for whoever may read much. Bridges'
 *   sessions stay as they ask for, and those of gateways with a user of their own for a day.
 *
 * What is refused is logged and counted: $SYS/tds/KIND/USER, retained, since the broker started. TLS
 * handshakes that fail over a certificate are counted by reason.
 * Only fixed memory, and that of the list: it does not grow with the number of gateways.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <mosquitto.h>
#include <mosquitto/broker.h>
#include <mosquitto/broker_plugin.h>

#define COUNTERS 256      /* more users than this are counted together */
#define LOG_LINES 20      /* a second; what is more is only counted */
#define LONGEST_LOG (1 << 20)
#define LONGEST_NAME 64
#define GATEWAY_SESSION_S 86400
#define MAC_SIZE 17

/* Of libcrypto, which the broker has loaded; its headers need not be there. */
extern void *PEM_read_X509_CRL(FILE *, void **, void *, void *);
extern int X509_CRL_get0_by_cert(void *, void **, void *);
extern void X509_CRL_free(void *);
extern void *X509_get_subject_name(const void *);
extern int X509_NAME_get_text_by_NID(void *, int, char *, int);
extern const void *X509_get0_notAfter(const void *);
extern const void *X509_get0_notBefore(const void *);
extern int X509_cmp_current_time(const void *);
extern void X509_free(void *);
#define NID_commonName 13

struct rule {
	struct rule *next;
	char *user; /* NULL: a pattern, for everybody */
	char *filter;
	int access;
};

struct counter {
	const char *kind;
	char user[LONGEST_NAME + 1];
	unsigned long count;
	bool is_new;
};

static struct rule *rules;
static const char *acl_path, *bridge_user, *bridge_ids, *crl_path, *log_path;
static int gateway_port;
static void *crl;
static struct stat crl_stat;
static time_t looked_at;
static struct counter counters[COUNTERS];
static unsigned counters_used, lines;
static time_t lines_at;
static bool has_news;

static const char *text(const char *value)
{
	return value ? value : "";
}

static void count(const char *kind, const char *user)
{
	char name[LONGEST_NAME + 1];
	unsigned i;

	snprintf(name, sizeof(name), "%s", user && *user ? user : "(none)");
	for(char *c = name; *c; c++){
		if(strchr("+#/", *c) || (unsigned char)*c < ' ' || (unsigned char)*c > '~'){
			*c = '_';
		}
	}
	for(i = 0; i < counters_used; i++){
		if(counters[i].kind == kind && !strcmp(counters[i].user, name)){
			break;
		}
	}
	if(i == counters_used){
		if(counters_used >= COUNTERS - 8){ /* the rest of the places are for the others' kinds */
			for(i = 0; i < counters_used; i++){
				if(counters[i].kind == kind && !strcmp(counters[i].user, "(others)")){
					break;
				}
			}
			snprintf(name, sizeof(name), "(others)");
		}
		if(i == counters_used){
			if(counters_used == COUNTERS){
				return;
			}
			counters[i].kind = kind;
			snprintf(counters[i].user, sizeof(counters[i].user), "%s", name);
			counters_used++;
		}
	}
	counters[i].count++;
	counters[i].is_new = has_news = true;
}

static void refuse(const char *kind, struct mosquitto *client, const char *what, const char *why)
{
	time_t now = time(NULL);

	count(kind, mosquitto_client_username(client));
	if(now != lines_at){
		lines_at = now;
		lines = 0;
	}
	if(lines++ < LOG_LINES){
		mosquitto_log_printf(MOSQ_LOG_WARNING, "rights: %s: user '%s', client id '%s', address %s: '%s': %s",
				kind, text(mosquitto_client_username(client)), text(mosquitto_client_id(client)),
				text(mosquitto_client_address(client)), what, why);
	}
}

static bool is_bridge(const struct mosquitto *client)
{
	const char *user = mosquitto_client_username(client);

	return user && !strcmp(user, bridge_user);
}

static bool has_bridge_id(const struct mosquitto *client)
{
	const char *id = mosquitto_client_id(client);

	return id && !strncmp(id, bridge_ids, strlen(bridge_ids));
}

static bool is_mac(const char *text)
{
	for(int i = 0; i < MAC_SIZE; i++){
		if(i % 3 == 2 ? text[i] != ':' : !text[i] || !strchr("0123456789abcdef", text[i])){
			return false;
		}
	}
	return text[MAC_SIZE] == '\0';
}

/* Why a certificate is not good; NULL when it is. The handshake does not look at that. */
static const char *find_fault(void *certificate)
{
	void *entry;

	if(X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0){
		return "the certificate has ended";
	}
	if(X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0){
		return "the certificate is not valid yet";
	}
	if(crl && X509_CRL_get0_by_cert(crl, &entry, certificate) == 1){
		return "the certificate is revoked";
	}
	return NULL;
}

/* A gateway is who its certificate says. */
static int on_gateway(struct mosquitto *client)
{
	void *certificate = mosquitto_client_certificate(client);
	char name[LONGEST_NAME + 1] = "";
	const char *fault = "there is no certificate";
	int rc = MOSQ_ERR_AUTH;

	if(certificate){
		int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
		if(size != MAC_SIZE || !is_mac(name)){
			fault = "the certificate's CN is no MAC as aa:bb:cc:dd:ee:ff";
		}else if(mosquitto_set_username(client, name) || mosquitto_set_clientid(client, name)){
			fault = "there is no memory";
		}else{
			fault = find_fault(certificate);
			rc = fault ? MOSQ_ERR_AUTH : MOSQ_ERR_SUCCESS;
		}
		X509_free(certificate);
	}
	if(rc){
		refuse("denied_certificate", client, name, fault);
	}
	return rc;
}

static int on_connect(int event, void *data, void *unused)
{
	struct mosquitto *client = ((struct mosquitto_evt_basic_auth *)data)->client;

	if(mosquitto_client_port(client) == gateway_port){
		return on_gateway(client);
	}
	if(is_bridge(client) == has_bridge_id(client)){
		return MOSQ_ERR_PLUGIN_DEFER; /* the password is checked next */
	}
	refuse("denied_client_id", client, text(mosquitto_client_id(client)),
			is_bridge(client) ? "a bridge's client id must begin as those of bridges do" : "the client id is a bridge's");
	return MOSQ_ERR_CLIENT_IDENTIFIER_NOT_VALID;
}

static bool is_allowed(const struct rule *rule, int access, const char *topic, const char *id, const char *user)
{
	bool result = false;

	if(rule->user){
		if(!user || strcmp(rule->user, user)){
			return false;
		}
	}else if(!user || strpbrk(user, "+#/") || (id && strpbrk(id, "+#/"))){
		return false; /* a name that would change the pattern */
	}
	if(access == MOSQ_ACL_SUBSCRIBE){
		if(!(rule->access & MOSQ_ACL_READ)){
			return false;
		}
		return !(rule->user ? mosquitto_sub_matches_acl(rule->filter, topic, &result)
				: mosquitto_sub_matches_acl_with_pattern(rule->filter, topic, id, user, &result)) && result;
	}
	if(!(rule->access & access) || (topic[0] == '$') != (rule->filter[0] == '$')){
		return false;
	}
	return !(rule->user ? mosquitto_topic_matches_sub(rule->filter, topic, &result)
			: mosquitto_topic_matches_sub_with_pattern(rule->filter, topic, id, user, &result)) && result;
}

static int on_check(int event, void *data, void *unused)
{
	struct mosquitto_evt_acl_check *check = data;
	const char *id = mosquitto_client_id(check->client), *user = mosquitto_client_username(check->client);

	if(check->access == MOSQ_ACL_UNSUBSCRIBE){
		return MOSQ_ERR_SUCCESS;
	}
	for(const struct rule *rule = rules; rule; rule = rule->next){
		if(is_allowed(rule, check->access, check->topic, id, user)){
			return MOSQ_ERR_SUCCESS;
		}
	}
	if(check->access == MOSQ_ACL_SUBSCRIBE){
		refuse("denied_subscription", check->client, check->topic, "the ACL lets the user read less");
	}else if(check->access == MOSQ_ACL_WRITE){
		refuse("denied_publish", check->client, check->topic, "the ACL does not let the user write there");
	}
	return MOSQ_ERR_ACL_DENIED;
}

static int on_message(int event, void *data, void *unused)
{
	struct mosquitto_evt_message *message = data;

	if(message->retain && message->payloadlen > 0){
		message->retain = false;
		count("removed_retain", mosquitto_client_username(message->client));
	}
	return MOSQ_ERR_SUCCESS;
}

static bool is_role(const char *user)
{
	for(const struct rule *rule = rules; rule; rule = rule->next){
		if(user && rule->user && !strcmp(rule->user, user)){
			return true;
		}
	}
	return false;
}

/* The connection of a session has ended; what is changed now counts for how long the session stays. */
static int on_offline(int event, void *data, void *unused)
{
	struct mosquitto *client = ((struct mosquitto_evt_client_offline *)data)->client;
	const char *user = mosquitto_client_username(client);
	struct mosquitto_client session;

	if(is_bridge(client) || mosquitto_client(mosquitto_client_id(client)) != client){
		return MOSQ_ERR_SUCCESS;
	}
	memset(&session, 0, sizeof(session));
	session.clientid = (char *)mosquitto_client_id(client);
	session.username = user ? mosquitto_strdup(user) : NULL;
	session.session_expiry_interval = !user || is_role(user) ? 0 : GATEWAY_SESSION_S;
	session.max_qos = 2;
	session.retain_available = true;
	mosquitto_persist_client_update(&session);
	return MOSQ_ERR_SUCCESS;
}

/* Handshakes that fail over a certificate. No plugin is told of them, but the broker's log says why; it is
 * written to the file `log`, too, which is emptied when it is long. */
static void read_log(void)
{
	static FILE *file;
	char line[512], *reason;

	if(!file){
		file = log_path ? fopen(log_path, "r") : NULL;
		if(!file){
			return;
		}
	}
	clearerr(file);
	while(fgets(line, sizeof(line), file)){
		reason = strstr(line, "SSL routines::");
		if(reason && strstr(reason, "certificate")){
			reason += strlen("SSL routines::");
			reason[strcspn(reason, "\r\n")] = '\0';
			count("failed_handshake", reason);
		}
	}
	if(ftell(file) > LONGEST_LOG && !truncate(log_path, 0)){
		rewind(file);
	}
}

struct client_ids {
	char **ids;
	size_t used, size;
};

static int add_faulty(const struct mosquitto *client, void *data)
{
	struct client_ids *found = data;
	void *certificate = mosquitto_client_certificate(client);
	const char *fault = certificate ? find_fault(certificate) : NULL;

	X509_free(certificate);
	if(!fault){
		return MOSQ_ERR_SUCCESS;
	}
	if(found->used == found->size){
		size_t size = found->size ? found->size * 2 : 16;
		char **larger = realloc(found->ids, size * sizeof(char *));
		if(!larger){
			return MOSQ_ERR_NOMEM;
		}
		found->ids = larger;
		found->size = size;
	}
	found->ids[found->used] = strdup(mosquitto_client_id(client));
	if(!found->ids[found->used]){
		return MOSQ_ERR_NOMEM;
	}
	found->used++;
	refuse("denied_certificate", (struct mosquitto *)client, "connected", fault);
	return MOSQ_ERR_SUCCESS;
}

/* End the connections whose certificates are no longer good. Nothing of theirs is published, wills
 * neither. */
static void disconnect_faulty(void)
{
	struct client_ids found = {0};

	if(mosquitto_apply_on_all_clients(add_faulty, &found)){
		memset(&crl_stat, 0, sizeof(crl_stat)); /* the rest at the next look */
	}
	for(size_t i = 0; i < found.used; i++){
		mosquitto_kick_client_by_clientid(found.ids[i], false);
		free(found.ids[i]);
	}
	free(found.ids);
}

/* Read the list of revoked certificates when its file has changed. One that cannot be read changes
 * nothing; without a file nothing is revoked. */
static void look_at_crl(void)
{
	struct stat now_stat;
	FILE *file;
	void *fresh;

	if(!crl_path || stat(crl_path, &now_stat) || (now_stat.st_ino == crl_stat.st_ino && now_stat.st_size == crl_stat.st_size
			&& now_stat.st_mtim.tv_sec == crl_stat.st_mtim.tv_sec
			&& now_stat.st_mtim.tv_nsec == crl_stat.st_mtim.tv_nsec)){
		return;
	}
	crl_stat = now_stat;
	file = fopen(crl_path, "r");
	fresh = file ? PEM_read_X509_CRL(file, NULL, NULL, NULL) : NULL;
	if(file){
		fclose(file);
	}
	if(!fresh){
		mosquitto_log_printf(MOSQ_LOG_ERR, "rights: %s: expected a list of revoked certificates as PEM; "
				"the list before it stays", crl_path);
		return;
	}
	if(crl){
		X509_CRL_free(crl);
	}
	crl = fresh;
	mosquitto_log_printf(MOSQ_LOG_NOTICE, "rights: read %s", crl_path);
	disconnect_faulty();
}

static int on_stored(int event, void *data, void *unused)
{
	const struct mosquitto_base_msg *message = &((struct mosquitto_evt_persist_base_msg *)data)->data;

	if(message->expiry_time == 0 || message->topic[0] == '$'){
		return MOSQ_ERR_SUCCESS;
	}
	count("removed_expiry", message->source_username);
	/* It comes in before the round that stores the original is committed: the two are kept or none. */
	return mosquitto_broker_publish_copy(NULL, message->topic, (int)message->payloadlen,
			message->payload ? message->payload : "", message->qos, false, NULL);
}

static int on_tick(int event, void *data, void *unused)
{
	char topic[LONGEST_NAME + 64], number[24];

	if(time(NULL) != looked_at){
		looked_at = time(NULL);
		look_at_crl();
		read_log();
	}
	if(!has_news){
		return MOSQ_ERR_SUCCESS;
	}
	has_news = false;
	for(unsigned i = 0; i < counters_used; i++){
		if(counters[i].is_new){
			counters[i].is_new = false;
			snprintf(topic, sizeof(topic), "$SYS/tds/%s/%s", counters[i].kind, counters[i].user);
			snprintf(number, sizeof(number), "%lu", counters[i].count);
			mosquitto_broker_publish_copy(NULL, topic, (int)strlen(number), number, 0, true, NULL);
		}
	}
	return MOSQ_ERR_SUCCESS;
}

static void free_rules(struct rule *rule)
{
	while(rule){
		struct rule *next = rule->next;
		free(rule->user);
		free(rule->filter);
		free(rule);
		rule = next;
	}
}

static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " \t");

	*rest = word + strcspn(word, " \t");
	if(**rest){
		*(*rest)++ = '\0';
	}
	return word;
}

/* One line of the ACL file; false when it cannot be understood. */
static bool read_line(char *line, char **user, struct rule **list)
{
	char *word = next_word(&line), *access;
	struct rule *rule;
	int rights;

	if(*word == '\0' || *word == '#'){
		return true;
	}
	if(!strcmp(word, "user")){
		free(*user);
		*user = strdup(line + strspn(line, " \t"));
		return *user && **user;
	}
	if(strcmp(word, "pattern") && (strcmp(word, "topic") || !*user)){
		return false;
	}
	access = next_word(&line);
	rights = !strcmp(access, "read") ? MOSQ_ACL_READ : !strcmp(access, "write") ? MOSQ_ACL_WRITE
			: !strcmp(access, "readwrite") ? MOSQ_ACL_READ | MOSQ_ACL_WRITE : 0;
	line += strspn(line, " \t");
	if(!rights || mosquitto_sub_topic_check(line)){
		return false;
	}
	rule = calloc(1, sizeof(struct rule));
	if(!rule){
		return false;
	}
	rule->user = *word == 't' ? strdup(*user) : NULL;
	rule->filter = strdup(line);
	rule->access = rights;
	rule->next = *list;
	*list = rule;
	return rule->filter && (*word != 't' || rule->user);
}

static int read_rules(void)
{
	FILE *file = fopen(acl_path, "r");
	char line[4096], *user = NULL;
	struct rule *list = NULL;
	int number = 0;

	if(!file){
		mosquitto_log_printf(MOSQ_LOG_ERR, "rights: %s: %s", acl_path, strerror(errno));
		return MOSQ_ERR_INVAL;
	}
	while(fgets(line, sizeof(line), file)){
		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if(!read_line(line, &user, &list)){
			mosquitto_log_printf(MOSQ_LOG_ERR, "rights: %s, line %d: expected 'user NAME', 'topic RIGHT FILTER' "
					"below one, or 'pattern RIGHT FILTER', with the right read, write or readwrite", acl_path, number);
			free_rules(list);
			list = NULL;
			number = -1;
			break;
		}
	}
	fclose(file);
	free(user);
	if(number < 0){
		return MOSQ_ERR_INVAL;
	}
	free_rules(rules);
	rules = list;
	return MOSQ_ERR_SUCCESS;
}

static int on_reload(int event, void *data, void *unused)
{
	read_rules(); /* the rights stay as they were when the file is wrong */
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_version(int number, const int *versions)
{
	for(int i = 0; i < number; i++){
		if(versions[i] == 5){
			return 5;
		}
	}
	return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **unused, struct mosquitto_opt *options, int number)
{
	for(int i = 0; i < number; i++){
		if(!strcmp(options[i].key, "acl")){
			acl_path = options[i].value;
		}else if(!strcmp(options[i].key, "bridge_user")){
			bridge_user = options[i].value;
		}else if(!strcmp(options[i].key, "bridge_ids")){
			bridge_ids = options[i].value;
		}else if(!strcmp(options[i].key, "gateway_port")){
			gateway_port = atoi(options[i].value);
		}else if(!strcmp(options[i].key, "revoked")){
			crl_path = options[i].value;
		}else if(!strcmp(options[i].key, "log")){
			log_path = options[i].value;
		}
	}
	if(!acl_path || !bridge_user || !bridge_ids || gateway_port <= 0){
		mosquitto_log_printf(MOSQ_LOG_ERR, "rights: expected plugin_opt_acl, plugin_opt_bridge_user, "
				"plugin_opt_bridge_ids and plugin_opt_gateway_port");
		return MOSQ_ERR_INVAL;
	}
	if(read_rules()){
		return MOSQ_ERR_INVAL;
	}
	if(log_path && truncate(log_path, 0) && errno != ENOENT){ /* what an earlier broker wrote was counted */
		mosquitto_log_printf(MOSQ_LOG_ERR, "rights: %s: %s", log_path, strerror(errno));
	}
	if(mosquitto_callback_register(id, MOSQ_EVT_BASIC_AUTH, on_connect, NULL, NULL)
			|| mosquitto_callback_register(id, MOSQ_EVT_ACL_CHECK, on_check, NULL, NULL)
			|| mosquitto_callback_register(id, MOSQ_EVT_MESSAGE_IN, on_message, NULL, NULL)
			|| mosquitto_callback_register(id, MOSQ_EVT_CLIENT_OFFLINE, on_offline, NULL, NULL)
			|| mosquitto_callback_register(id, MOSQ_EVT_PERSIST_BASE_MSG_ADD, on_stored, NULL, NULL)
			|| mosquitto_callback_register(id, MOSQ_EVT_TICK, on_tick, NULL, NULL)
			|| mosquitto_callback_register(id, MOSQ_EVT_RELOAD, on_reload, NULL, NULL)){
		return MOSQ_ERR_UNKNOWN;
	}
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void *unused, struct mosquitto_opt *options, int number)
{
	free_rules(rules);
	rules = NULL;
	if(crl){
		X509_CRL_free(crl);
		crl = NULL;
	}
	return MOSQ_ERR_SUCCESS;
}
