import threading, time, faulthandler, sys
from concurrent.futures import ThreadPoolExecutor
import sqlalchemy as sa
from tests.web.served import Project, here, project
from tests.database.opened import database_url, empty_file, server, template
from newsletter.readers import LetterLink
import pytest
@pytest.mark.parametrize("n", range(6))
def test_x(project, n):
    if project.newsletter.project.settings.database.url and "sqlite" in str(project.newsletter.project.settings.database.url): return
    ada=project.add_person("ada@example.org","community")
    done=threading.Event()
    eng=None
    def watch():
        if done.wait(3): return
        with project.newsletter.database() as db:
            with db.engine.connect() as c:
                for r in c.exec_driver_sql("select pid,state,wait_event_type,wait_event,left(query,150),now()-xact_start, pg_blocking_pids(pid) from pg_stat_activity where backend_type like 'client%%' or backend_type like 'auto%%'"): print(r)
        faulthandler.dump_traceback(file=open("/tmp/S/trace.txt","w"))
    w=threading.Thread(target=watch); w.start()
    readers=project.newsletter.readers
    with project.newsletter.kept_open(), ThreadPoolExecutor(4) as windows:
        t=time.time()
        fs=[windows.submit(lambda: (readers.erase(LetterLink(ada,2)), time.time()-t)) for _ in range(4)]
        print([(bool(f.result()[0]),round(f.result()[1],2)) for f in fs])
    done.set(); w.join()
    if time.time()-t>3: assert 0
