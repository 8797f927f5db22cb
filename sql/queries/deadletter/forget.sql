-- Removes letters that are settled and failed long ago. Served by
-- dead_letters_failed.
delete from dead_letters where failed_at < $1 and state <> 'open'
