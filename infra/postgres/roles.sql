-- One role and one schema for each service, and no way for a service into another's. Run as the superuser in the
-- services' database; running it again changes nothing but the passwords. A password is taken from the setting
-- bongsu.<service>_password of the session; without one it is the role's name (fit for a laptop only).
DO $$
DECLARE
  service  text;
  role     text;
  password text;
BEGIN
  FOREACH service IN ARRAY ARRAY['api', 'notification', 'audit'] LOOP
    role := 'bongsu_' || service;
    password := coalesce(nullif(current_setting('bongsu.' || service || '_password', true), ''), role);
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I', role);
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD %L', role, password);
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', role, current_database(), service);
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', service);
    EXECUTE format('ALTER SCHEMA %I OWNER TO %I', service, role);
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', service);
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), role);
  END LOOP;
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
END
$$;
